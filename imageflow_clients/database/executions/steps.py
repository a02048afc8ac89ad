"""What an attempt at an execution writes of its steps: only while its engine holds it, and each change once."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, or_
from sqlalchemy.dialects.postgresql import insert as upsert

from imageflow_clients.database.core import events
from imageflow_clients.database.executions.schema import execution_steps
from imageflow_domain.execution_events import step_changed
from imageflow_domain.executions import StepFacts

_T = execution_steps


@dataclass(frozen=True, kw_only=True)
class StepChange:
    """A step of an execution that began or ended."""

    execution: uuid.UUID
    attempt: int
    facts: StepFacts
    is_end: bool


def write(connection: Connection, held: Mapping[uuid.UUID, int], changes: Sequence[StepChange]) -> None:
    """Write changes of steps, with their events, in their order; those of executions that were lost are left out.

    The same changes again write nothing: a transaction whose end is unknown may be repeated.

    Args:
        connection: In a transaction.
        held: The attempt of each execution that the engine holds.
        changes: In their order.
    """
    own = [change for change in changes if held.get(change.execution) == change.attempt]
    # The last one of each step is its row; the events of all are logged where that row is new.
    newest = {(change.execution, change.facts.step): change for change in own}
    written = _write(connection, list(newest.values())) if newest else frozenset()
    for change in own:
        if (change.execution, change.facts.step) in written:
            events.append(connection, step_changed(change.execution, change.facts, attempt=change.attempt))


def _write(connection: Connection, changes: Sequence[StepChange]) -> frozenset[tuple[uuid.UUID, str]]:
    """Write one change of each step; return the steps whose rows were older."""
    new = upsert(_T)
    own = {name: new.excluded[name] for name in ("attempt", "rank", "status", "started_s", "seconds", "tries")}
    is_newer = or_(
        _T.c.attempt < new.excluded.attempt,
        and_(_T.c.attempt == new.excluded.attempt, _T.c.rank < new.excluded.rank),
    )
    upserted = new.on_conflict_do_update(index_elements=["execution_id", "step"], set_=own, where=is_newer)
    returned = upserted.returning(_T.c.execution_id, _T.c.step)
    rows = connection.execute(returned, [_row(change) for change in changes])
    return frozenset((row.execution_id, row.step) for row in rows)


def _row(change: StepChange) -> dict[str, Any]:
    facts = change.facts
    return {
        "execution_id": change.execution,
        "step": facts.step,
        "place": facts.place,
        "attempt": change.attempt,
        "rank": int(change.is_end),
        "status": facts.status,
        "started_s": facts.started_s,
        "seconds": facts.seconds,
        "tries": [dict(each) for each in facts.tries],
    }
