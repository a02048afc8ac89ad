"""What an attempt at an execution writes of its steps: only while its engine holds it, and each change once."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert

from imageflow_clients.database.core import events
from imageflow_clients.database.executions.schema import execution_leases, execution_steps
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


def write(connection: Connection, engine: str, changes: Sequence[StepChange]) -> None:
    """Write changes of steps, with their events, in their order; those of executions that were lost are left out.

    The same changes again write nothing: a transaction whose end is unknown may be repeated.
    """
    held = _held(connection, engine, {change.execution for change in changes})
    for change in changes:
        if held.get(change.execution) == change.attempt and _write(connection, change):
            events.append(connection, step_changed(change.execution, change.facts, attempt=change.attempt))


def _held(connection: Connection, engine: str, executions: set[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Return the attempts of those that the engine holds, which no engine can take from it before the commit."""
    rows = connection.execute(
        select(execution_leases.c.execution_id, execution_leases.c.attempt)
        .where(execution_leases.c.engine == engine, execution_leases.c.execution_id.in_(executions))
        .order_by(execution_leases.c.execution_id)
        .with_for_update(key_share=True)
    )
    return {row.execution_id: row.attempt for row in rows}


def _write(connection: Connection, change: StepChange) -> bool:
    facts = change.facts
    rank = int(change.is_end)
    new = upsert(_T).values(
        execution_id=change.execution,
        step=facts.step,
        place=facts.place,
        attempt=change.attempt,
        rank=rank,
        status=facts.status,
        started_s=facts.started_s,
        seconds=facts.seconds,
        tries=[dict(each) for each in facts.tries],
    )
    own = {name: new.excluded[name] for name in ("attempt", "rank", "status", "started_s", "seconds", "tries")}
    is_newer = or_(_T.c.attempt < change.attempt, and_(_T.c.attempt == change.attempt, _T.c.rank < rank))
    upserted = new.on_conflict_do_update(index_elements=["execution_id", "step"], set_=own, where=is_newer)
    # By RETURNING: the driver counts no rows of an insert.
    return connection.execute(upserted.returning(_T.c.step)).first() is not None
