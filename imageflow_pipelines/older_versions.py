"""Which steps of a pipeline name a version of a component that has a later one, and what the later ones change."""

from collections.abc import Mapping
from dataclasses import dataclass

from imageflow_pipelines.registry import RELEASED, Registry
from imageflow_pipelines.spec import PipelineSpec


@dataclass(frozen=True, kw_only=True)
class OlderVersion:
    """A step that uses another version of its component than the newest."""

    step: str
    uses: str
    """As `name@version`."""
    newest: str
    changes: Mapping[str, str]
    """What each later version gives otherwise than the one before it, by `name@version`, oldest first."""


def older_versions(spec: PipelineSpec, registry: Registry = RELEASED) -> tuple[OlderVersion, ...]:
    """Return the steps of a spec that use an older version, in its order."""
    found = ((name, step.use, registry.newer(step.use)) for name, step in spec.steps.items())
    return tuple(
        OlderVersion(
            step=name,
            uses=used,
            newest=later[-1].reference(),
            changes={each.reference(): each.changes for each in later},
        )
        for name, used, later in found
        if later
    )
