"""Pipelines as the API tells them."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from imageflow_clients.database.pipelines import PublishedPipeline


class PipelineFacts(BaseModel):
    """A published pipeline, which never changes."""

    pipeline: str
    version: int
    reference: str
    """As masters name it: `name@version`."""
    digest: str
    """SHA-256 of the spec."""
    created_at: datetime
    spec: dict[str, Any]

    @classmethod
    def of(cls, published: PublishedPipeline) -> Self:
        return cls(
            pipeline=published.name,
            version=published.version,
            reference=published.reference,
            digest=published.digest,
            created_at=published.created_at,
            spec=dict(published.spec),
        )


class PipelineList(BaseModel):
    """Pipelines by name and version."""

    pipelines: list[PipelineFacts]
    next: str | None
    """Give it as `after` for those that come next; null where these were the last."""


class CheckedPipeline(BaseModel):
    """A spec that can run."""

    pipeline: str
    version: int
    order: list[str]
    """Its steps, each after those that feed it."""
