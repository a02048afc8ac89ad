"""Uploads in the API."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from imageflow_domain.survey import RefusedUpload


class Uploaded(BaseModel):
    """A file that lies in the store whole."""

    key: str
    bytes: int


class RefusedMapUpload(BaseModel):
    """A closed folder of frames that began no survey."""

    key: str
    """The folder, in the object store."""
    reason: str
    """Why, and what to do."""
    noticed_at: datetime

    @classmethod
    def of(cls, refused: RefusedUpload) -> Self:
        """Name the folder as `key`: it is refused as a whole."""
        return cls(key=refused.prefix, reason=refused.reason, noticed_at=refused.noticed_at)


class RefusedMapUploads(BaseModel):
    """Folders of frames that began no survey, newest first."""

    refused: list[RefusedMapUpload]
    next: str | None
    """Give it as `after` for those that come next; null where these were the last."""
