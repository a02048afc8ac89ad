"""Read the log lines of an execution: a page, and what comes after it."""

import gzip
import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from imageflow_clients.database.executions import logs, rows
from imageflow_clients.database.executions.logs import LogChunk
from imageflow_clients.stores import Stores
from imageflow_domain.execution_logs import BEGINNING_OF_LOG, ExecutionLine, LogCursor

_CHUNKS = 100
"""Read at once; each has one line at least."""


@dataclass(frozen=True, kw_only=True)
class LogPage:
    """Some lines of an execution, in order."""

    lines: Sequence[ExecutionLine]
    has_more: bool
    """Whether there were further lines when it was read."""
    is_end: bool
    """Whether the execution has ended, and these are its last lines."""


def read_log(
    stores: Stores, execution: uuid.UUID, *, after: LogCursor = BEGINNING_OF_LOG, limit: int = 1_000
) -> LogPage:
    """Return up to `limit` lines after a place.

    Raises `NotFound`, and `ObjectMissing`, `ObjectDamaged` or `StoreUnavailable` for lines in the object store.
    """
    # The state first: the lines of an execution that has ended are all there.
    with stores.database.begin() as connection:
        is_over = rows.get(connection, execution).state.is_end
    found = tuple(islice(_lines(stores, execution, after), limit + 1))
    has_more = len(found) > limit
    return LogPage(lines=found[:limit], has_more=has_more, is_end=is_over and not has_more)


def _lines(stores: Stores, execution: uuid.UUID, after: LogCursor) -> Iterator[ExecutionLine]:
    chunks: Sequence[LogChunk] = ()
    while not chunks or len(chunks) == _CHUNKS:
        with stores.database.begin() as connection:
            chunks = logs.read(connection, execution, after=after, limit=_CHUNKS)
        for chunk in chunks:
            yield from (line for line in _lines_of(stores, chunk) if line.cursor > after)
            after = LogCursor(attempt=chunk.attempt, number=chunk.last)
        if not chunks:
            return


def _lines_of(stores: Stores, chunk: LogChunk) -> Sequence[ExecutionLine]:
    if chunk.key is None:
        return chunk.lines
    data = stores.objects.get(chunk.key, next_step="execute it again")
    return logs.lines_from(chunk.attempt, chunk.first, json.loads(gzip.decompress(data)))
