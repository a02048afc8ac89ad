"""Rows of leases: which run may work on a survey, and what it set out to do."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from imageflow_clients.database.maps import schema
from imageflow_domain.survey import Layer

_T = schema.survey_leases


@dataclass(frozen=True, kw_only=True)
class Lease:
    """One run's exclusive right to work on a survey; it ends with the run."""

    survey_id: str
    run_id: str
    root_run_id: str
    """The first run of a chain of retries and re-executions."""
    again: bool
    """Whether the run makes anew what is whole, instead of what is missing."""
    reopened: tuple[Layer, ...]
    """Layers whose rows this root run has reopened already."""
    done_before: int
    """Tasks and screenshots that were done when the run began."""
    taken_at: datetime | None = field(default=None, compare=False)
    """By the database's clock; `None` before it is written."""


def find(connection: Connection, survey: str) -> Lease | None:
    """Return the newest lease of a survey; its run may have ended."""
    row = connection.execute(select(_T).where(_T.c.survey_id == survey)).one_or_none()
    if row is None:
        return None
    return Lease(
        survey_id=row.survey_id,
        run_id=row.run_id,
        root_run_id=row.root_run_id,
        again=row.again,
        reopened=tuple(Layer(name) for name in row.reopened),
        done_before=row.done_before,
        taken_at=row.taken_at,
    )


def take(connection: Connection, lease: Lease) -> None:
    """Write a lease in place of the survey's former one."""
    values = {
        "run_id": lease.run_id,
        "root_run_id": lease.root_run_id,
        "again": lease.again,
        "reopened": _names(lease.reopened),
        "done_before": lease.done_before,
    }
    connection.execute(
        upsert(_T)
        .values(survey_id=lease.survey_id, **values)
        .on_conflict_do_update(index_elements=["survey_id"], set_={**values, "taken_at": func.now()})
    )


def note_reopened(connection: Connection, lease: Lease, layer: Layer) -> None:
    """Note that a layer's rows were reopened, so that no run of the same root run does it again."""
    names = _names((*lease.reopened, layer))
    connection.execute(update(_T).where(_T.c.survey_id == lease.survey_id).values(reopened=names))


def _names(layers: Sequence[Layer]) -> list[str]:
    return [layer.value for layer in layers]
