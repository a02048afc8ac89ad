"""Log lines of executions, in chunks of consecutive lines: the first ones as they are, the others by objects' keys."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, exists, insert, literal, select, tuple_

from imageflow_clients.database.core import events
from imageflow_clients.database.executions.schema import execution_logs
from imageflow_domain.execution_events import lines_logged
from imageflow_domain.execution_logs import ExecutionLine, LogCursor

_T = execution_logs


@dataclass(frozen=True, kw_only=True)
class LogChunk:
    """Consecutive lines of one attempt at an execution."""

    execution: uuid.UUID
    attempt: int
    first: int
    """Number of its first line."""
    last: int
    lines: Sequence[ExecutionLine] = field(default=(), repr=False)
    """Empty where an object has them."""
    key: str | None = None
    """Of that object."""


def write(connection: Connection, held: Mapping[uuid.UUID, int], chunks: Sequence[LogChunk]) -> None:
    """Write chunks with their events; those of executions that were lost are left out.

    The same lines again write nothing: a transaction whose end is unknown may be repeated.

    Args:
        connection: In a transaction.
        held: The attempt of each execution that the engine holds.
        chunks: In the order of their lines.
    """
    for chunk in _joined(chunks):
        if held.get(chunk.execution) == chunk.attempt and _write(connection, chunk):
            events.append(connection, lines_logged(chunk.execution, attempt=chunk.attempt, last=chunk.last))


def read(connection: Connection, execution: uuid.UUID, *, after: LogCursor, limit: int) -> tuple[LogChunk, ...]:
    """Return up to `limit` chunks that have lines after a place, in order. The first may begin before it."""
    rows = connection.execute(
        select(_T)
        .where(
            _T.c.execution_id == execution,
            tuple_(_T.c.attempt, _T.c.last) > tuple_(literal(after.attempt), literal(after.number)),
        )
        .order_by(_T.c.attempt, _T.c.last)
        .limit(limit)
    )
    return tuple(_chunk(row) for row in rows)


def lines_from(attempt: int, first: int, data: Iterable[Sequence[Any]]) -> tuple[ExecutionLine, ...]:
    """Return the lines that `to_data` gave."""
    return tuple(
        ExecutionLine(
            cursor=LogCursor(attempt=attempt, number=number),
            step=step,
            at=datetime.fromisoformat(at),
            level=level,
            text=text,
        )
        for number, (step, at, level, text) in enumerate(data, first)
    )


def to_data(lines: Iterable[ExecutionLine]) -> list[list[str]]:
    """Return lines as JSON has them, without their numbers."""
    return [[line.step, line.at.isoformat(), line.level, line.text] for line in lines]


def _joined(chunks: Sequence[LogChunk]) -> list[LogChunk]:
    """Return chunks with consecutive lines joined: one row, and one event, for all that were logged meanwhile."""
    joined: dict[tuple[uuid.UUID, int], list[LogChunk]] = {}
    for chunk in chunks:
        of_attempt = joined.setdefault((chunk.execution, chunk.attempt), [])
        if of_attempt and chunk.key is None and of_attempt[-1].key is None:
            former = of_attempt.pop()
            chunk = LogChunk(
                execution=chunk.execution,
                attempt=chunk.attempt,
                first=former.first,
                last=chunk.last,
                lines=(*former.lines, *chunk.lines),
            )
        of_attempt.append(chunk)
    return [chunk for of_attempt in joined.values() for chunk in of_attempt]


def _write(connection: Connection, chunk: LogChunk) -> bool:
    lines = None if chunk.key is not None else to_data(chunk.lines)
    values = {
        "execution_id": chunk.execution,
        "attempt": chunk.attempt,
        "last": chunk.last,
        "first": chunk.first,
        "lines": lines,
        "key": chunk.key,
    }
    # By number, and not by the key of the row: repeated lines may have been joined in another way before.
    there = exists().where(
        _T.c.execution_id == chunk.execution, _T.c.attempt == chunk.attempt, _T.c.last >= chunk.first
    )
    if connection.execute(select(there)).scalar_one():
        return False
    connection.execute(insert(_T).values(**values))
    return True


def _chunk(row: Row[Any]) -> LogChunk:
    return LogChunk(
        execution=row.execution_id,
        attempt=row.attempt,
        first=row.first,
        last=row.last,
        lines=lines_from(row.attempt, row.first, row.lines or ()),
        key=row.key,
    )
