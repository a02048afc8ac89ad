"""The queue and the leases of executions.

Locks are taken in one order, as two transactions would else wait for each other: rows of the queue or leases first,
several of them by id, then the execution.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, text, update

from imageflow_clients.database.core import events
from imageflow_clients.database.executions.rows import record
from imageflow_clients.database.executions.schema import execution_leases, execution_queue, executions
from imageflow_domain.errors import Conflict
from imageflow_domain.execution_events import state_changed
from imageflow_domain.executions import ExecutionError, ExecutionRecord, ExecutionState, ImageObject, Priority, Runner

CHANNEL = "imageflow_executions"
"""What is notified when an execution begins to wait for an engine."""

CANCELLATIONS = "imageflow_cancellations"
"""What is notified when an execution that is worked on is to be cancelled."""

LEASE = timedelta(seconds=15)
"""An engine that does not renew its leases for so long counts as lost."""

_BONUS = {Priority.LOW: timedelta(0), Priority.NORMAL: timedelta(minutes=5), Priority.HIGH: timedelta(minutes=30)}
"""How much earlier than it was made an execution counts as made. One of low priority so waits at most for those of
high priority that are made within half an hour after it."""

_Q = execution_queue
_L = execution_leases
_E = executions


def enqueue(connection: Connection, execution: uuid.UUID, priority: Priority, runner: Runner) -> None:
    """Let an execution wait for an engine, or for a run of Dagster."""
    connection.execute(insert(_Q).values(execution_id=execution, due=func.now() - _BONUS[priority], runner=runner))
    if runner is Runner.ENGINE:
        notify(connection)


def begin(connection: Connection, begun: ExecutionRecord, engine: str, *, lease: timedelta) -> None:
    """Give an engine the lease of an execution that was just inserted as begun."""
    connection.execute(
        _BEGIN,
        {
            "id": begun.id,
            "engine": engine,
            "attempt": begun.attempt,
            "lease": lease,
            "bonus": _BONUS[begun.request.priority],
        },
    )


_BEGIN = text("""
    INSERT INTO execution_leases (execution_id, engine, attempt, until, due)
        VALUES (:id, :engine, :attempt, now() + :lease, now() - :bonus)
""")


def notify(connection: Connection, channel: str = CHANNEL) -> None:
    """Wake the engines when the transaction is committed."""
    connection.execute(select(func.pg_notify(channel, "")))


def count_waiting(connection: Connection, *, most: int) -> int:
    """Return how many executions wait; `most` where there are more."""
    return int(connection.execute(_COUNT_WAITING, {"most": most}).scalar_one())


_COUNT_WAITING = text("SELECT count(*) FROM (SELECT 1 FROM execution_queue LIMIT :most) AS counted")


def claim(connection: Connection, engine: str, *, lease: timedelta) -> ExecutionRecord | None:
    """Take the execution that is due first for an engine, which holds it until its lease ends; `None` without any."""
    is_due = (_Q.c.runner == Runner.ENGINE, _Q.c.not_before <= func.now())
    waits = select(_Q.c.execution_id).where(*is_due).order_by(_Q.c.due).limit(1)
    first = waits.with_for_update(skip_locked=True).scalar_subquery()
    return _take(connection, engine, _Q.c.execution_id == first, lease)


def claim_one(connection: Connection, engine: str, execution: uuid.UUID, *, lease: timedelta) -> ExecutionRecord | None:
    """Take an execution for the run of Dagster that is to execute it; `None` where it does not wait."""
    is_it = and_(_Q.c.execution_id == execution, _Q.c.runner == Runner.DAGSTER)
    return _take(connection, engine, is_it, lease)


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
    events.append(connection, state_changed(execution, ExecutionState.FAILED, attempt=attempt, error=error))
    return True


def _take(connection: Connection, engine: str, which: ColumnElement[bool], lease: timedelta) -> ExecutionRecord | None:
    taken = connection.execute(delete(_Q).where(which).returning(_Q.c.execution_id, _Q.c.due)).one_or_none()
    if taken is None:
        return None
    row = connection.execute(
        update(_E)
        .where(_E.c.id == taken.execution_id, _E.c.state == ExecutionState.QUEUED)
        .values(
            state=ExecutionState.RUNNING,
            attempt=_E.c.attempt + 1,
            started_at=func.coalesce(_E.c.started_at, func.clock_timestamp()),
        )
        .returning(_E)
    ).one()
    connection.execute(
        insert(_L).values(
            execution_id=row.id, engine=engine, attempt=row.attempt, until=func.now() + lease, due=taken.due
        )
    )
    events.append(connection, state_changed(row.id, ExecutionState.RUNNING, attempt=row.attempt))
    return record(row)


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


def end(
    connection: Connection,
    begun: ExecutionRecord,
    state: ExecutionState,
    *,
    outputs: Mapping[str, ImageObject | None] | None = None,
    error: ExecutionError | None = None,
) -> ExecutionRecord | None:
    """End an execution in one of the last states and return it; `None` where it was not this attempt's to end any more.

    Only one that is to be cancelled is cancelled: an engine also stops what it lost, or what it gives back.
    """
    if state is ExecutionState.CANCELLED and not cancelled_among(connection, [begun.id]):
        return None
    if connection.execute(_RELEASE, {"id": begun.id, "attempt": begun.attempt}).first() is None:
        return None
    made = dict(outputs or {})
    stored = {name: each and asdict(each) for name, each in made.items()}
    started_at, ended_at = _end(connection, begun.id, begun.attempt, state, outputs=stored, error=error)
    return replace(begun, state=state, outputs=made, error=error, started_at=started_at, ended_at=ended_at)


_RELEASE = text("DELETE FROM execution_leases WHERE execution_id = :id AND attempt = :attempt RETURNING 1")


def _end(
    connection: Connection,
    execution: uuid.UUID,
    attempt: int,
    state: ExecutionState,
    *,
    outputs: object = None,
    error: ExecutionError | None = None,
) -> tuple[datetime, datetime]:
    """End an execution that this attempt holds; return when it was begun first, and now."""
    row = connection.execute(
        update(_E)
        .where(_E.c.id == execution, _E.c.attempt == attempt, _E.c.state == ExecutionState.RUNNING)
        .values(
            state=state,
            outputs=outputs or {},
            ended_at=func.clock_timestamp(),
            error_code=error and error.code,
            error=error and error.message,
            error_step=error and (error.step or None),
        )
        .returning(_E.c.started_at, _E.c.ended_at)
    ).one()
    events.append(connection, state_changed(execution, state, attempt=attempt, error=error))
    return row.started_at, row.ended_at


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
        events.append(connection, state_changed(execution, ExecutionState.CANCELLED, attempt=row.attempt))
    elif state is ExecutionState.RUNNING:
        values = {"cancel_asked_at": func.coalesce(_E.c.cancel_asked_at, func.now())}
        notify(connection, CANCELLATIONS)
    elif state is ExecutionState.CANCELLED:
        return record(row)
    else:
        raise Conflict(f"Execution {execution} has {state} already: there is nothing to cancel.")
    return record(connection.execute(update(_E).where(_E.c.id == execution).values(**values).returning(_E)).one())


def add_key(connection: Connection, principal: str, key: str, execution: uuid.UUID, digest: str) -> bool:
    """Keep which execution an idempotency key is for; return whether none had it."""
    given = {"principal": principal, "key": key, "id": execution, "digest": digest}
    return connection.execute(_ADD_KEY, given).first() is not None


_ADD_KEY = text("""
    INSERT INTO execution_keys (principal, key, execution_id, request_digest)
        VALUES (:principal, :key, :id, :digest)
    ON CONFLICT DO NOTHING RETURNING 1
""")


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
