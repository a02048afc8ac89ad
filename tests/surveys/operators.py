"""Runs as they come to a survey, without Dagster."""

from collections.abc import Collection
from datetime import UTC, datetime

from imageflow_domain.survey import Layer
from imageflow_surveys.lease import LeasingRun


def run(
    name: str,
    *,
    root: str | None = None,
    layers: Collection[Layer] = tuple(Layer),
    only_missing: bool = False,
    ended: Collection[str] = (),
    created_at: datetime | None = None,
) -> LeasingRun:
    """Return a run that a person began now.

    Args:
        ended: The other runs that have ended.
    """
    created = created_at or datetime.now(UTC)
    return LeasingRun(
        id=name,
        root_id=root or name,
        layers=layers,
        only_missing=only_missing,
        created_at=lambda: created,
        has_ended=lambda other: other in ended,
    )
