"""Batches in the API."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from imageflow_domain.errors import BadFile
from imageflow_domain.ids import Name
from imageflow_domain.inspection import MOST_PICTURES, Batch, BatchState, Inspection
from imageflow_domain.page import Page
from imageflow_gateway.rest.inspection.inspections_schema import Counts, InspectionSummary, counts_of
from imageflow_inspection.batches import BatchInFull, CountedBatch
from imageflow_inspection.reinspect import StaleBatch


class BatchSummary(BaseModel):
    """One version of a batch of pictures."""

    id: int
    key: str
    """Its partition in Dagster."""
    product: str
    name: str
    version: int
    """Other pictures under the same name are another version."""
    state: BatchState
    reason: str | None
    """Why it failed, or did so last."""
    pictures: int
    bytes: int
    closed_at: datetime
    inspection_id: int | None
    """The inspection that counts; null until there is one."""
    counts: Counts | None
    """Of that inspection."""

    @classmethod
    def of(cls, counted: CountedBatch) -> Self:
        """Count by the inspection that counts, if there is one."""
        return cls.model_validate(_summary(counted.batch, counted.inspection))


class SkippedFile(BaseModel):
    """A file that was sent and is no picture."""

    name: str
    reason: str


class BatchUploaded(BatchSummary):
    """A batch that was sent, and what of the request is not in it."""

    skipped: list[SkippedFile]

    @classmethod
    def of_all(cls, batch: BatchSummary, skipped: Sequence[BadFile]) -> Self:
        """Add which files of the request are in no batch, and why."""
        files = [SkippedFile(name=file.name, reason=file.reason) for file in skipped]
        return cls(**batch.model_dump(), skipped=files)


class BatchList(BaseModel):
    """Batches, newest first."""

    batches: list[BatchSummary]
    next: str | None
    """Give it as `after` for those that come next; null where these were the last."""


class BatchDetail(BatchSummary):
    """A batch, and how often it was judged."""

    judged: int
    """Pictures that the latest inspection has judged so far."""
    inspections: list[InspectionSummary]
    """All of them, oldest first: former ones stay readable."""
    dagster_url: str
    """Where Dagster's UI shows it."""

    @classmethod
    def in_full(cls, found: BatchInFull, *, dagster_url: str) -> Self:
        """Find the inspection that counts among all that the batch had."""
        counting = next((each for each in found.inspections if each.id == found.batch.inspection_id), None)
        return cls.model_validate(
            {
                **_summary(found.batch, counting),
                "judged": found.judged,
                "inspections": [InspectionSummary.of(each) for each in found.inspections],
                "dagster_url": dagster_url,
            }
        )


class StaleFacts(BaseModel):
    """A batch that would be judged otherwise now."""

    batch: BatchSummary
    changes: list[str]
    """What changed, as text."""
    pictures: int
    seconds: float
    """Of computing, by what its pictures took last time; 0 where the same judgement was made before."""

    @classmethod
    def of(cls, stale: StaleBatch) -> Self:
        """Count by the inspection that counts now, which is the stale one."""
        return cls(
            batch=BatchSummary.of(CountedBatch(batch=stale.batch, inspection=stale.inspection)),
            changes=list(stale.changes),
            pictures=stale.pictures,
            seconds=stale.seconds,
        )


class StaleList(BaseModel):
    """Stale batches of a product, by name."""

    batches: list[StaleFacts]
    pictures: int
    """Of these."""
    seconds: float
    """Of these."""
    next: str | None
    """Give it as `after` for those that come next; null where these were the last."""

    @classmethod
    def of(cls, page: Page[StaleBatch]) -> Self:
        """Sum up pictures and seconds of this page, not of those that come after it."""
        return cls(
            batches=[StaleFacts.of(stale) for stale in page.items],
            pictures=sum(stale.pictures for stale in page.items),
            seconds=sum(stale.seconds for stale in page.items),
            next=page.next,
        )


class RefusedFacts(BaseModel):
    """A manifest, folder or file that is no batch."""

    key: str
    """In the object store."""
    reason: str
    """Why, and what to do."""
    noticed_at: datetime


class RefusedList(BaseModel):
    """What was uploaded and is not inspected, by key."""

    refused: list[RefusedFacts]
    next: str | None
    """Give it as `after` for those that come next; null where these were the last."""


class AgainIn(BaseModel):
    """Which batches are to be inspected again."""

    model_config = ConfigDict(extra="forbid")

    product: Name
    batches: list[Name] | None = Field(default=None, max_length=MOST_PICTURES)
    """Their names; all stale and failed ones of the product, if left out. Others are left alone, but of those that are
    named, pictures that could not be judged are judged anew."""


class Asked(BaseModel):
    """Batches that wait to be inspected again."""

    batches: list[BatchSummary]


def _summary(batch: Batch, inspection: Inspection | None) -> dict[str, object]:
    return {
        "id": batch.id,
        "key": batch.key,
        "product": batch.product,
        "name": batch.name,
        "version": batch.version,
        "state": batch.state,
        "reason": batch.reason,
        "pictures": batch.pictures,
        "bytes": batch.bytes,
        "closed_at": batch.closed_at,
        "inspection_id": batch.inspection_id,
        "counts": None if inspection is None else counts_of(inspection),
    }
