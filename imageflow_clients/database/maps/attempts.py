"""Rows of attempts: which run began each block of a layer last, and why it failed where it did."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from imageflow_clients.database.core import events
from imageflow_clients.database.maps import schema
from imageflow_domain.grid import Block
from imageflow_domain.grid_text import parse_block
from imageflow_domain.survey import Layer
from imageflow_domain.survey_events import LayerChange, layer_changed

_T = schema.attempts


@dataclass(frozen=True, kw_only=True)
class LayerAttempt:
    """The newest attempt at one block of a layer, or at a layer that has no blocks."""

    run_id: str
    began_at: datetime
    reason: str | None
    """Why it failed, in words for people; `None` while it works, after it succeeded, and where it was killed."""


def begin(connection: Connection, survey: str, layer: Layer, block: Block | None, run_id: str) -> None:
    """Note that a run begins a block, or a layer without blocks, now."""
    values = {"run_id": run_id, "began_at": func.now(), "reason": None}
    connection.execute(
        upsert(_T)
        .values(survey_id=survey, layer=layer, block=_key(block), **values)
        .on_conflict_do_update(index_elements=["survey_id", "layer", "block"], set_=values)
    )
    events.append(connection, layer_changed(survey, layer, LayerChange.BEGUN, block))


def fail(connection: Connection, survey: str, layer: Layer, block: Block | None, run_id: str, reason: str) -> None:
    """Note why a run's attempt failed; one that another run has begun since is left alone."""
    noted = connection.execute(
        update(_T)
        .where(_T.c.survey_id == survey, _T.c.layer == layer, _T.c.block == _key(block), _T.c.run_id == run_id)
        .values(reason=reason)
    )
    if noted.rowcount:
        events.append(connection, layer_changed(survey, layer, LayerChange.FAILED, block))


def of_survey(connection: Connection, survey: str) -> Mapping[tuple[Layer, Block | None], LayerAttempt]:
    """Return the newest attempt at everything of a survey that was begun; `None` is a layer without blocks."""
    rows = connection.execute(select(_T).where(_T.c.survey_id == survey))
    return {
        (Layer(row.layer), parse_block(row.block) if row.block else None): LayerAttempt(
            run_id=row.run_id, began_at=row.began_at, reason=row.reason
        )
        for row in rows
    }


def _key(block: Block | None) -> str:
    return "" if block is None else block.key
