"""Camera streams: executions that an engine begins at once, and that no other engine continues."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, func, update

from imageflow_clients.database.executions import attempts, queue, starts
from imageflow_clients.database.executions.attempts import Ending, StepChange
from imageflow_clients.database.executions.schema import executions
from imageflow_domain.executions import ExecutionError, ExecutionRecord, ExecutionRequest, ExecutionState, FrameCounts

_E = executions


def begin(connection: Connection, execution: UUID, request: ExecutionRequest, engine: str) -> ExecutionRecord:
    """Insert a stream, which an engine holds from its beginning."""
    record = starts.add(connection, execution, request, {}, engine=engine, frames=FrameCounts())
    assert record is not None  # noqa: S101 - it has no key that another one may have
    return record


def beat(
    connection: Connection, engine: str, execution: UUID, counts: FrameCounts, *, lease: timedelta
) -> ExecutionState | None:
    """Renew the lease of a stream and note its frames.

    Returns `RUNNING`, `CANCELLED` where it is to be cancelled, and `None` where the engine does not hold it any more.
    """
    if not queue.renew(connection, engine, (execution,), lease=lease):
        return None
    _count(connection, execution, counts)
    is_cancelled = bool(queue.cancelled_among(connection, (execution,)))
    return ExecutionState.CANCELLED if is_cancelled else ExecutionState.RUNNING


def end(
    connection: Connection,
    engine: str,
    stream: ExecutionRecord,
    state: ExecutionState,
    counts: FrameCounts,
    changes: Sequence[StepChange],
    *,
    lease: timedelta,
    error: ExecutionError | None = None,
) -> bool:
    """End a stream, with what its steps did; return whether the engine still held it."""
    if not queue.renew(connection, engine, (stream.id,), lease=lease):
        return False
    _count(connection, stream.id, counts)
    if state is ExecutionState.CANCELLED:  # by a client that left, which asks for nothing any more
        asked = func.coalesce(_E.c.cancel_asked_at, func.now())
        connection.execute(update(_E).where(_E.c.id == stream.id).values(cancel_asked_at=asked))
    ending = Ending(record=stream, state=state, error=error)
    return stream.id in attempts.write(connection, changes, [ending])


def _count(connection: Connection, execution: UUID, counts: FrameCounts) -> None:
    connection.execute(update(_E).where(_E.c.id == execution).values(frames=asdict(counts)))
