"""Rows of executions, and of their steps, as they are read."""

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, func, literal_column, select, text

from imageflow_clients.database.core.schema import event_subjects
from imageflow_clients.database.executions.schema import execution_logs, execution_steps, executions
from imageflow_domain.errors import NotFound
from imageflow_domain.events import BEGINNING, EventCursor
from imageflow_domain.execution_events import subject_of
from imageflow_domain.executions import (
    ENDS,
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
    conditions = tuple(_conditions(which))
    if after is not None:
        conditions += (executions.c.id < after,)
    wanted = select(executions).where(*conditions).order_by(executions.c.id.desc())
    if which.error is None:
        return tuple(record(row) for row in connection.execute(wanted.limit(limit)))
    # Words that many errors have are found among the newest, where their index would give all of them first. Words
    # that few errors have are found by the index, where the newest first would be the whole history.
    has_words = _has_words(which.error)
    newest = wanted.limit(_NEWEST).subquery()
    found = connection.execute(
        select(newest).where(_has_words(which.error, newest.c.error)).order_by(newest.c.id.desc()).limit(limit)
    ).all()
    if len(found) < limit:
        having = select(executions.c.id).where(*conditions, has_words).cte("having").prefix_with("MATERIALIZED")
        found = connection.execute(
            select(executions)
            .where(executions.c.id.in_(select(having.c.id).order_by(having.c.id.desc()).limit(limit)))
            .order_by(executions.c.id.desc())
        ).all()
    return tuple(map(record, found))


_NEWEST = 2_000
"""Executions whose errors are looked through before the index of words is asked."""


def _has_words(words: str, error: ColumnElement[str] = executions.c.error) -> ColumnElement[bool]:
    simple: ColumnElement[str] = literal_column("'simple'")
    return func.to_tsvector(simple, error).op("@@")(func.websearch_to_tsquery(simple, words))


def _conditions(which: Filter) -> Iterator[ColumnElement[bool]]:
    equal = {"pipeline": which.pipeline, "state": which.state, "priority": which.priority, "client": which.client}
    for name, value in equal.items():
        if value is not None:
            yield executions.c[name] == value
    if which.error is not None:
        yield executions.c.error.is_not(None)
    if which.since is not None:
        yield executions.c.id >= first_id(which.since)
    if which.before is not None:
        yield executions.c.id < first_id(which.before)


def ended_among(connection: Connection, wanted: Collection[uuid.UUID]) -> frozenset[uuid.UUID]:
    """Return those of some executions that have ended."""
    return frozenset(connection.execute(_ENDED_AMONG, {"executions": list(wanted), "ends": list(ENDS)}).scalars())


_ENDED_AMONG = text("""
    SELECT id FROM executions WHERE id = ANY(CAST(:executions AS uuid[])) AND state = ANY(CAST(:ends AS text[]))
""")


def get_in_full(
    connection: Connection, execution: uuid.UUID
) -> tuple[ExecutionRecord, tuple[StepFacts, ...], EventCursor]:
    """Return an execution, its steps in the order of its plan, and the place of its newest event, of one moment.

    Raises `NotFound`.
    """
    row = connection.execute(_IN_FULL, {"id": execution, "subject": subject_of(execution)}).one_or_none()
    if row is None:
        raise NotFound(f"There is no execution '{execution}'.")
    cursor = BEGINNING if row.epoch is None else EventCursor(epoch=row.epoch, seq=row.seq)
    return record(row), tuple(map(_facts, row.steps)), cursor


_STEPS = (
    select(
        func.jsonb_agg(
            func.jsonb_build_array(
                execution_steps.c.step,
                execution_steps.c.place,
                execution_steps.c.status,
                execution_steps.c.started_s,
                execution_steps.c.seconds,
                execution_steps.c.tries,
            ).op("ORDER BY")(execution_steps.c.place)
        )
    )
    .where(execution_steps.c.execution_id == bindparam("id"))
    .scalar_subquery()
)
# One statement, whose parts are of one moment.
_IN_FULL = (
    select(
        executions,
        func.coalesce(_STEPS, text("'[]'::jsonb")).label("steps"),
        event_subjects.c.epoch,
        event_subjects.c.seq,
    )
    .select_from(executions.outerjoin(event_subjects, event_subjects.c.subject == bindparam("subject")))
    .where(executions.c.id == bindparam("id"))
)


def _facts(row: Sequence[Any]) -> StepFacts:
    step, place, status, started_s, seconds, tries = row
    return StepFacts(
        step=step,
        place=place,
        status=status,
        started_s=float(started_s),
        seconds=float(seconds),
        tries=tuple(tries),
    )


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """What a request for an execution is accepted by, of one moment."""

    earlier: tuple[uuid.UUID, str] | None
    """The execution of its idempotency key, and the digest of what was asked with the key."""
    waiting: int
    """Executions that wait; not counted beyond a limit."""
    recent_seconds: Sequence[tuple[float, int]]
    """Duration in seconds and bytes of inputs of the executions of the pipeline that completed last."""


def acceptance(
    connection: Connection, pipeline: str | None, principal: str, key: str | None, *, most_waiting: int
) -> Acceptance:
    """Return what a request is accepted by.

    Args:
        connection: In a transaction.
        pipeline: `name@version`; `None` for one that was sent with the request.
        principal: Whose key it is.
        key: Its idempotency key.
        most_waiting: Where the count of those that wait ends.
    """
    name, _, version = (pipeline or "").partition("@")
    row = connection.execute(
        _ACCEPTANCE,
        {
            "pipeline": name,
            "version": int(version or 0),
            "principal": principal,
            "key": key,
            "most_waiting": most_waiting,
            "recent": _RECENT,
        },
    ).one()
    return Acceptance(
        earlier=None if row.execution_id is None else (row.execution_id, row.request_digest),
        waiting=row.waiting,
        recent_seconds=tuple(zip(row.seconds or (), row.sizes or (), strict=True)),
    )


# By the database: to read the inputs of fifty executions took longer than all that is written for one.
_ACCEPTANCE = text("""
    SELECT keyed.execution_id, keyed.request_digest,
           (SELECT count(*) FROM (SELECT FROM execution_queue LIMIT :most_waiting) AS counted) AS waiting,
           recent.seconds, recent.sizes
    FROM (
        SELECT array_agg(seconds) AS seconds, array_agg(size) AS sizes
        FROM (
            SELECT extract(epoch FROM ended_at - started_at)::float8 AS seconds,
                   (SELECT sum((stored.value->>'size')::bigint)::bigint FROM jsonb_each(inputs) AS stored) AS size
            FROM executions
            WHERE pipeline = :pipeline AND version = :version AND state = 'completed' AND frames IS NULL
            ORDER BY id DESC LIMIT :recent
        ) AS completed
    ) AS recent
    LEFT JOIN execution_keys AS keyed ON keyed.principal = :principal AND keyed.key = CAST(:key AS text)
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
