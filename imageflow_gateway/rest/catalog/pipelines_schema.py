"""Pipelines in the API."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from imageflow_catalog.pipelines import PipelineCheck
from imageflow_domain.pipelines import PublishedPipeline
from imageflow_pipelines.older_versions import OlderVersion, older_versions
from imageflow_pipelines.registry import Registry
from imageflow_pipelines.spec_text import parse_spec


class OlderVersionFacts(BaseModel):
    """A step that uses another version of its component than the newest. A published pipeline keeps it for good."""

    step: str
    uses: str
    """As `name@version`."""
    newest: str
    changes: dict[str, str]
    """What each later version gives otherwise than the one before it, by `name@version`, oldest first."""

    @classmethod
    def all_of(cls, found: Sequence[OlderVersion]) -> list[Self]:
        """Return them in their order."""
        return [cls.model_validate(asdict(each)) for each in found]


class PipelineFacts(BaseModel):
    """A published pipeline, which never changes."""

    pipeline: str
    version: int
    reference: str
    """As masters name it: `name@version`."""
    digest: str
    """SHA-256 of the spec."""
    images: dict[str, str]
    """The image of each component that is a container, by `name@version`: published with the pipeline."""
    created_at: datetime
    spec: dict[str, Any]
    older_versions: list[OlderVersionFacts]
    """Its steps that use an older version of a component."""

    @classmethod
    def of(cls, published: PublishedPipeline, registry: Registry) -> Self:
        """Look for older versions anew: a later program may have newer components."""
        return cls(
            pipeline=published.name,
            version=published.version,
            reference=published.reference,
            digest=published.digest,
            images=dict(published.images),
            created_at=published.created_at,
            spec=dict(published.spec),
            older_versions=OlderVersionFacts.all_of(older_versions(parse_spec(dict(published.spec)), registry)),
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
    older_versions: list[OlderVersionFacts]
    """Its steps that use an older version of a component."""

    @classmethod
    def of(cls, checked: PipelineCheck) -> Self:
        """Name its steps and what they use."""
        return cls(
            pipeline=checked.plan.spec.pipeline,
            version=checked.plan.spec.version,
            order=list(checked.plan.steps),
            older_versions=OlderVersionFacts.all_of(checked.older_versions),
        )
