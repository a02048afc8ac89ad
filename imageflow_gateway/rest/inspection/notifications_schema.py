"""Notifications of buckets, as S3 and MinIO send them, and what came of one."""

from collections.abc import Sequence
from typing import Self
from urllib.parse import unquote_plus

from pydantic import BaseModel, Field

from imageflow_inspection.notifications import ClosedBatch, CreatedObject

MOST_RECORDS = 1_000
_CREATED = "ObjectCreated:"


class ObjectIn(BaseModel):
    """The object of a record."""

    key: str = Field(max_length=4096, examples=["uploads%2Finspection%2Flid%2Fmonday%2F_DONE"])
    """Percent-encoded, a space as `+`."""


class BucketIn(BaseModel):
    """Where it lies."""

    name: str | None = None


class PlaceIn(BaseModel):
    """Which object a record is about."""

    object: ObjectIn
    bucket: BucketIn = BucketIn()


class RecordIn(BaseModel):
    """One thing that happened."""

    eventName: str = Field(default="", examples=["s3:ObjectCreated:Put"])  # noqa: N815 - as S3 spells it
    s3: PlaceIn | None = None

    def created(self) -> CreatedObject | None:
        """Return the object that was written; `None` where something else happened, or its key is no text."""
        if self.s3 is None or not self.eventName.removeprefix("s3:").startswith(_CREATED):
            return None
        try:
            key = unquote_plus(self.s3.object.key, errors="strict")
        except UnicodeDecodeError:
            return None
        return CreatedObject(key=key, bucket=self.s3.bucket.name)


class NotificationIn(BaseModel):
    """What a bucket sends; whatever else stands in it is not read."""

    Records: list[RecordIn] = Field(default=[], max_length=MOST_RECORDS)

    def created(self) -> tuple[CreatedObject, ...]:
        """Return the objects that were written, in the order of the records; other records are left out."""
        found = (record.created() for record in self.Records)
        return tuple(each for each in found if each is not None)


class ClosedBatchFacts(BaseModel):
    """A batch that a notification closed."""

    product: str
    name: str


class Closed(BaseModel):
    """What a notification closed; these batches are inspected by themselves."""

    batches: list[ClosedBatchFacts]

    @classmethod
    def of(cls, closed: Sequence[ClosedBatch]) -> Self:
        """Name the batches, which have no ids before they are registered."""
        return cls(batches=[ClosedBatchFacts(product=batch.product, name=batch.name) for batch in closed])
