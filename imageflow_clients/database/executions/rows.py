"""Rows of executions, and of their steps."""

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, insert, literal_column, select, text

from imageflow_clients.database.core import events
from imageflow_clients.database.executions.schema import execution_logs, execution_steps, executions
from imageflow_domain.errors import NotFound
from imageflow_domain.execution_events import state_changed
from imageflow_domain.executions import (
    ExecutionError,
    ExecutionRecord,
    ExecutionRequest,
    ExecutionState,
    FrameCounts,
    ImageObject,
    Priority,
    Runner,
    StepFacts,
    first_id,
)

_RECENT = 50
"""Executions whose duration is looked at for an estimate."""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which executions a list has; `None` is any."""

    pipeline: str | None = None
    """Its name, in any version."""
    state: ExecutionState | None = None
    priority: Priority | None = None
    client: str | None = None
    """As the client called itself."""
    error: str | None = None
    """Words that its error has, as PostgreSQL's `websearch_to_tsquery` reads them: quotes, `or`, `-`."""
    since: datetime | None = None
    """Started then or later."""
    before: datetime | None = None
    """Started earlier."""


def add(
    connection: Connection,
    execution: uuid.UUID,
    request: ExecutionRequest,
    inputs: Mapping[str, ImageObject],
    *,
    estimate_s: float | None,
    is_begun: bool = False,
    frames: FrameCounts | None = None,
) -> ExecutionRecord:
    """Insert an execution that waits, or that an engine begins at once: its first attempt."""
    name, _, version = request.pipeline.partition("@")
    row = connection.execute(
        insert(executions)
        .values(
            id=execution,
            pipeline=name,
            version=int(version),
            spec=request.spec,
            parameters={step: dict(given) for step, given in request.parameters.items()},
            priority=request.priority,
            principal=request.principal,
            client=request.client,
            correlation=request.correlation,
            protocol=request.protocol,
            runner=request.runner,
            state=ExecutionState.RUNNING if is_begun else ExecutionState.QUEUED,
            attempt=int(is_begun),
            started_at=func.clock_timestamp() if is_begun else None,
            inputs={name: asdict(each) for name, each in inputs.items()},
            frames=None if frames is None else asdict(frames),
            estimated_end_at=None if estimate_s is None else func.now() + timedelta(seconds=estimate_s),
        )
        .returning(executions.c.created_at, executions.c.started_at, executions.c.estimated_end_at)
    ).one()
    events.append(connection, state_changed(execution, ExecutionState.QUEUED, attempt=0))
    if is_begun:
        events.append(connection, state_changed(execution, ExecutionState.RUNNING, attempt=1))
    return ExecutionRecord(
        id=execution,
        request=request,
        state=ExecutionState.RUNNING if is_begun else ExecutionState.QUEUED,
        attempt=int(is_begun),
        failures=0,
        inputs=inputs,
        outputs={},
        error=None,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=None,
        estimated_end_at=row.estimated_end_at,
        frames=frames,
    )


def get(connection: Connection, execution: uuid.UUID) -> ExecutionRecord:
    """Return an execution; raise `NotFound`."""
    row = connection.execute(select(executions).where(executions.c.id == execution)).one_or_none()
    if row is None:
        raise NotFound(f"There is no execution '{execution}'.")
    return record(row)


def page(connection: Connection, which: Filter, *, after: uuid.UUID | None, limit: int) -> tuple[ExecutionRecord, ...]:
    """Return up to `limit` executions, the newest first.

    Args:
        connection: In a transaction.
        which: What all of them have in common.
        after: Only those that were made before this one.
        limit: How many at most.
    """
    wanted = select(executions).where(*_conditions(which)).order_by(executions.c.id.desc()).limit(limit)
    if after is not None:
        wanted = wanted.where(executions.c.id < after)
    return tuple(record(row) for row in connection.execute(wanted))


def _conditions(which: Filter) -> Iterator[ColumnElement[bool]]:
    equal = {"pipeline": which.pipeline, "state": which.state, "priority": which.priority, "client": which.client}
    for name, value in equal.items():
        if value is not None:
            yield executions.c[name] == value
    if which.error is not None:
        words = func.to_tsvector(literal_column("'simple'"), executions.c.error)
        yield executions.c.error.is_not(None)
        yield words.op("@@")(func.websearch_to_tsquery(literal_column("'simple'"), which.error))
    if which.since is not None:
        yield executions.c.id >= first_id(which.since)
    if which.before is not None:
        yield executions.c.id < first_id(which.before)


def steps_of(connection: Connection, execution: uuid.UUID) -> tuple[StepFacts, ...]:
    """Return what the steps of an execution did, in the order of its plan."""
    rows = connection.execute(
        select(execution_steps).where(execution_steps.c.execution_id == execution).order_by(execution_steps.c.place)
    )
    return tuple(
        StepFacts(
            step=row.step,
            place=row.place,
            status=row.status,
            started_s=row.started_s,
            seconds=row.seconds,
            tries=tuple(row.tries),
        )
        for row in rows
    )


def recent_seconds(connection: Connection, pipeline: str) -> Sequence[tuple[float, int]]:
    """Return duration in seconds and bytes of inputs of the executions of `name@version` that completed last."""
    name, _, version = pipeline.partition("@")
    rows = connection.execute(_RECENT_SECONDS, {"pipeline": name, "version": int(version), "most": _RECENT})
    return [(float(row.seconds), int(row.size)) for row in rows]


# By the database: to read the inputs of fifty executions took longer than all that is written for one.
_RECENT_SECONDS = text("""
    SELECT extract(epoch FROM ended_at - started_at)::float8 AS seconds,
           (SELECT sum((stored.value->>'size')::bigint)::bigint FROM jsonb_each(inputs) AS stored) AS size
    FROM executions
    WHERE pipeline = :pipeline AND version = :version AND state = 'completed' AND frames IS NULL
    ORDER BY id DESC LIMIT :most
""")


def objects_of(connection: Connection, ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, Collection[str] | None]:
    """Return the keys of all objects of those executions that there are; `None` for one that has not ended."""
    logs: dict[uuid.UUID, list[str]] = {}
    for row in connection.execute(
        select(execution_logs.c.execution_id, execution_logs.c.key).where(
            execution_logs.c.execution_id.in_(ids), execution_logs.c.key.is_not(None)
        )
    ):
        logs.setdefault(row.execution_id, []).append(row.key)
    found = connection.execute(
        select(executions.c.id, executions.c.state, executions.c.inputs, executions.c.outputs).where(
            executions.c.id.in_(ids)
        )
    )
    return {
        row.id: frozenset((*_keys(row.inputs), *_keys(row.outputs), *logs.get(row.id, ())))
        if ExecutionState(row.state).is_end
        else None
        for row in found
    }


def _keys(objects: Mapping[str, Mapping[str, Any] | None]) -> Iterator[str]:
    return (str(each["key"]) for each in objects.values() if each is not None)


def keyed(connection: Connection, principal: str, key: str) -> tuple[uuid.UUID, str] | None:
    """Return the execution of an idempotency key, and the digest of what was asked with it."""
    row = connection.execute(_KEYED, {"principal": principal, "key": key}).one_or_none()
    return None if row is None else (row.execution_id, row.request_digest)


_KEYED = text("SELECT execution_id, request_digest FROM execution_keys WHERE principal = :principal AND key = :key")


def record(row: Row[Any]) -> ExecutionRecord:
    """Return the execution of a row of `executions`."""
    error = None
    if row.error_code is not None:
        error = ExecutionError(code=row.error_code, message=row.error or "", step=row.error_step or "")
    return ExecutionRecord(
        id=row.id,
        request=ExecutionRequest(
            pipeline=f"{row.pipeline}@{row.version}",
            spec=row.spec,
            parameters=row.parameters,
            priority=Priority(row.priority),
            principal=row.principal,
            client=row.client,
            correlation=row.correlation,
            protocol=row.protocol,
            runner=Runner(row.runner),
        ),
        state=ExecutionState(row.state),
        attempt=row.attempt,
        failures=row.failures,
        inputs={name: ImageObject(**each) for name, each in row.inputs.items()},
        outputs={name: each and ImageObject(**each) for name, each in row.outputs.items()},
        error=error,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        estimated_end_at=row.estimated_end_at,
        frames=None if row.frames is None else FrameCounts(**row.frames),
    )
