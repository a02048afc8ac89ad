"""The queue and the leases of executions.

Locks are taken in one order, as two transactions would else wait for each other: rows of the queue or leases first,
several of them by id, then the execution.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from sqlalchemy import Connection, TextClause, delete, func, insert, select, text, update

from imageflow_clients.database.core import events
from imageflow_clients.database.executions.rows import record
from imageflow_clients.database.executions.schema import execution_leases, execution_queue, executions
from imageflow_domain.errors import Conflict
from imageflow_domain.execution_events import state_changed
from imageflow_domain.executions import ExecutionError, ExecutionRecord, ExecutionState, Priority, Runner

CHANNEL = "imageflow_executions"
"""What is notified when an execution begins to wait for an engine."""

ENDS = "imageflow_ends"
"""What is notified of the id of each execution that ends."""

CANCELLATIONS = "imageflow_cancellations"
"""What is notified when an execution that is worked on is to be cancelled."""

LEASE = timedelta(seconds=15)
"""An engine that does not renew its leases for so long counts as lost."""

BONUS = {Priority.LOW: timedelta(0), Priority.NORMAL: timedelta(minutes=5), Priority.HIGH: timedelta(minutes=30)}
"""How much earlier than it was made an execution counts as made. One of low priority so waits at most for those of
high priority that are made within half an hour after it."""

_Q = execution_queue
_L = execution_leases
_E = executions


def notify(connection: Connection, channel: str = CHANNEL, payload: str = "") -> None:
    """Wake those who wait when the transaction is committed."""
    connection.execute(select(func.pg_notify(channel, payload)))


def claim(connection: Connection, engine: str, *, lease: timedelta) -> ExecutionRecord | None:
    """Take the execution that is due first for an engine, which holds it until its lease ends; `None` without any."""
    return _take(connection, _FIRST, engine=engine, lease=lease)


def claim_one(connection: Connection, engine: str, execution: uuid.UUID, *, lease: timedelta) -> ExecutionRecord | None:
    """Take an execution for the run of Dagster that is to execute it; `None` where it does not wait."""
    return _take(connection, _ONE, engine=engine, execution=execution, lease=lease)


def _take(connection: Connection, statement: TextClause, **given: object) -> ExecutionRecord | None:
    row = connection.execute(statement, given).one_or_none()
    if row is None:
        return None
    events.append(connection, state_changed(row.id, ExecutionState.RUNNING, attempt=row.attempt))
    return record(row)


def _taking(which: str) -> TextClause:
    return text(f"""
        WITH taken AS (
            DELETE FROM execution_queue WHERE {which} RETURNING execution_id, due
        ), begun AS (
            UPDATE executions
            SET state = 'running', attempt = attempt + 1, started_at = coalesce(started_at, clock_timestamp())
            FROM taken WHERE id = taken.execution_id AND state = 'queued'
            RETURNING executions.*, taken.due
        ), leased AS (
            INSERT INTO execution_leases (execution_id, engine, attempt, until, due)
                SELECT id, CAST(:engine AS text), attempt, now() + CAST(:lease AS interval), due FROM begun
        )
        SELECT * FROM begun
    """)  # noqa: S608 - `which` is one of the two below


_FIRST = _taking("""execution_id = (
    SELECT execution_id FROM execution_queue WHERE runner = 'engine' AND not_before <= now()
    ORDER BY due LIMIT 1 FOR UPDATE SKIP LOCKED
)""")
# Waits for a transaction that holds the row: where that one is rolled back, the execution still waits.
_ONE = _taking("runner = 'dagster' AND execution_id = :execution")


def waiting_for_dagster(connection: Connection, *, limit: int) -> Sequence[tuple[uuid.UUID, int, Priority]]:
    """Return id, attempts and priority of the executions that wait for a run of Dagster, those that are due first."""
    rows = connection.execute(
        select(_E.c.id, _E.c.attempt, _E.c.priority)
        .join(_Q, _Q.c.execution_id == _E.c.id)
        .where(_Q.c.runner == Runner.DAGSTER, _Q.c.not_before <= func.now())
        .order_by(_Q.c.due)
        .limit(limit)
    )
    return [(row.id, row.attempt, Priority(row.priority)) for row in rows]


def fail_waiting(connection: Connection, execution: uuid.UUID, error: ExecutionError) -> bool:
    """End an execution that nothing can begin; return whether it still waited."""
    waited = connection.execute(
        delete(_Q).where(_Q.c.execution_id == execution).returning(_Q.c.execution_id)
    ).one_or_none()
    if waited is None:
        return False
    attempt = connection.execute(
        update(_E)
        .where(_E.c.id == execution)
        .values(
            state=ExecutionState.FAILED,
            ended_at=func.clock_timestamp(),
            error_code=error.code,
            error=error.message,
        )
        .returning(_E.c.attempt)
    ).scalar_one()
    _announce_end(connection, execution, ExecutionState.FAILED, attempt, error)
    return True


def renew(
    connection: Connection, engine: str, held: Collection[uuid.UUID], *, lease: timedelta
) -> frozenset[uuid.UUID]:
    """Prolong an engine's leases of the executions that it works on; return those that it still holds."""
    ours = (
        select(_L.c.execution_id)
        .where(_L.c.engine == engine, _L.c.execution_id.in_(held), _L.c.until > func.now())
        .order_by(_L.c.execution_id)
        .with_for_update()
    )
    return frozenset(
        connection.execute(
            update(_L).where(_L.c.execution_id.in_(ours)).values(until=func.now() + lease).returning(_L.c.execution_id)
        ).scalars()
    )


def held_among(connection: Connection, engine: str, executions: Collection[uuid.UUID]) -> Mapping[uuid.UUID, int]:
    """Return the attempts of those that an engine holds, which no engine can take from it before the commit."""
    rows = connection.execute(_HELD, {"engine": engine, "executions": list(executions)})
    return {row.execution_id: row.attempt for row in rows}


_HELD = text("""
    SELECT execution_id, attempt FROM execution_leases
    WHERE engine = :engine AND execution_id = ANY(CAST(:executions AS uuid[]))
    ORDER BY execution_id FOR NO KEY UPDATE
""")


def cancelled_among(connection: Connection, held: Collection[uuid.UUID]) -> frozenset[uuid.UUID]:
    """Return those of an engine's executions that are to be cancelled."""
    wanted = select(_E.c.id).where(_E.c.id.in_(held), _E.c.cancel_asked_at.is_not(None))
    return frozenset(connection.execute(wanted).scalars())


def give_back(
    connection: Connection, engine: str, execution: uuid.UUID, *, reason: str, pause: timedelta | None = None
) -> None:
    """Return to the queue an execution that its engine cannot end; one that was taken from it is left alone.

    Args:
        connection: In a transaction.
        engine: The one that holds it.
        execution: Which one.
        reason: For its event.
        pause: How long it is not taken again, after a failure; `None` where nothing failed.
    """
    due = connection.execute(
        delete(_L).where(_L.c.execution_id == execution, _L.c.engine == engine).returning(_L.c.due)
    ).scalar_one_or_none()
    if due is not None:
        _requeue(connection, execution, due, reason, pause)


def end_lost_leases(connection: Connection, *, most_failures: int, pause: timedelta) -> Sequence[uuid.UUID]:
    """Return to the queue the executions whose leases have expired; return their ids.

    One that is to be cancelled is cancelled; one at its last failure fails, and so does a camera stream.

    Args:
        connection: In a transaction.
        most_failures: The one that is not forgiven.
        pause: How long they are not taken again.
    """
    lost = select(_L.c.execution_id).where(_L.c.until < func.now()).with_for_update(skip_locked=True)
    expired = connection.execute(
        delete(_L).where(_L.c.execution_id.in_(lost)).returning(_L.c.execution_id, _L.c.attempt, _L.c.due)
    ).all()
    for each in expired:
        row = connection.execute(
            select(_E.c.cancel_asked_at, _E.c.failures, _E.c.frames)
            .where(_E.c.id == each.execution_id)
            .with_for_update()
        ).one()
        if row.cancel_asked_at is not None:
            _end(connection, each.execution_id, each.attempt, ExecutionState.CANCELLED)
        elif row.frames is not None:
            error = ExecutionError(code="ENGINE_LOST", message="Its engine was lost: start another stream.")
            _end(connection, each.execution_id, each.attempt, ExecutionState.FAILED, error=error)
        elif row.failures + 1 >= most_failures:
            message = (
                f"Its engine was lost, and engines were lost or stores down {row.failures} times before: see the "
                "engines' logs, give engines more memory, or send smaller images."
            )
            error = ExecutionError(code="ENGINE_LOST", message=message)
            _end(connection, each.execution_id, each.attempt, ExecutionState.FAILED, error=error)
        else:
            _requeue(connection, each.execution_id, each.due, "Its engine was lost.", pause)
    return [each.execution_id for each in expired]


def _end(
    connection: Connection,
    execution: uuid.UUID,
    attempt: int,
    state: ExecutionState,
    *,
    error: ExecutionError | None = None,
) -> None:
    """End an execution whose attempt was lost."""
    connection.execute(
        update(_E)
        .where(_E.c.id == execution, _E.c.attempt == attempt, _E.c.state == ExecutionState.RUNNING)
        .values(
            state=state,
            outputs={},
            ended_at=func.clock_timestamp(),
            error_code=error and error.code,
            error=error and error.message,
            error_step=error and (error.step or None),
        )
        .returning(_E.c.id)
    ).one()
    _announce_end(connection, execution, state, attempt, error)


def _announce_end(
    connection: Connection,
    execution: uuid.UUID,
    state: ExecutionState,
    attempt: int,
    error: ExecutionError | None = None,
) -> None:
    events.append(connection, state_changed(execution, state, attempt=attempt, error=error))
    notify(connection, ENDS, str(execution))


def ask_to_cancel(connection: Connection, execution: uuid.UUID) -> ExecutionRecord:
    """Cancel an execution that waits, and mark a running one for cancellation.

    Raises `Conflict` for one that has completed or failed; one that is cancelled stays so.
    """
    waited = connection.execute(
        delete(_Q).where(_Q.c.execution_id == execution).returning(_Q.c.execution_id)
    ).one_or_none()
    row = connection.execute(select(_E).where(_E.c.id == execution).with_for_update()).one()
    state = ExecutionState(row.state)
    if waited is not None:
        values = {"state": ExecutionState.CANCELLED, "ended_at": func.clock_timestamp()}
        _announce_end(connection, execution, ExecutionState.CANCELLED, row.attempt)
    elif state is ExecutionState.RUNNING:
        values = {"cancel_asked_at": func.coalesce(_E.c.cancel_asked_at, func.now())}
        notify(connection, CANCELLATIONS)
    elif state is ExecutionState.CANCELLED:
        return record(row)
    else:
        raise Conflict(f"Execution {execution} has {state} already: there is nothing to cancel.")
    return record(connection.execute(update(_E).where(_E.c.id == execution).values(**values).returning(_E)).one())


def _requeue(connection: Connection, execution: uuid.UUID, due: object, reason: str, pause: timedelta | None) -> None:
    row = connection.execute(
        update(_E)
        .where(_E.c.id == execution, _E.c.state == ExecutionState.RUNNING)
        .values(state=ExecutionState.QUEUED, failures=_E.c.failures + (0 if pause is None else 1))
        .returning(_E.c.attempt, _E.c.runner)
    ).one()
    not_before = func.now() + (pause or timedelta(0))
    connection.execute(insert(_Q).values(execution_id=execution, due=due, not_before=not_before, runner=row.runner))
    events.append(connection, state_changed(execution, ExecutionState.QUEUED, attempt=row.attempt, reason=reason))
    notify(connection)
