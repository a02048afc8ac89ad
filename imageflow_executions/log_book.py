"""Log lines of one attempt at an execution: the first ones go into the database, the others into the object store."""

import gzip
import json
import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from imageflow_clients.database.executions.logs import LogChunk, to_data
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import StoreUnavailable
from imageflow_domain.execution_logs import ExecutionLine, LogCursor
from imageflow_domain.executions import ExecutionRecord, created_month
from imageflow_domain.step_scope import LogLine
from imageflow_domain.texts import storable

MOST_LINES = 100_000
"""Of one attempt; of further lines, only their number is logged."""

LINES_IN_DATABASE = 1_000
"""Of one attempt, by default."""

_OBJECT_LINES = 1_000
_OBJECT_CHARS = 500_000
_WAIT_S = 1.0
"""How long a line waits for others of the same object."""

_LEFT_OUT = f"were left out: an attempt keeps {MOST_LINES:,}, and none for which the object store is down."

_LOG = logging.getLogger(__name__)


class LogBook:
    """Takes lines from any thread. A context manager: at its end all lines are handed to the journal.

    Args:
        stores: Where objects go.
        record: The execution, in the attempt that logs.
        note: Takes chunks in their order, and returns at once.
        lines_in_database: How many lines of the attempt the database keeps.
    """

    def __init__(
        self,
        stores: Stores,
        record: ExecutionRecord,
        note: Callable[[LogChunk], None],
        *,
        lines_in_database: int = LINES_IN_DATABASE,
    ) -> None:
        self._stores = stores
        self._record = record
        self._note = note
        self._lines_in_database = lines_in_database
        self._lock = threading.RLock()
        self._count = 0
        self._left_out = 0
        self._waiting: list[ExecutionLine] = []
        self._waiting_chars = 0
        self._timer: threading.Timer | None = None
        self._is_closed = False

    def write(self, step: str, line: LogLine) -> None:
        """Take a line of a step. Where the object store is slow, a step that logs much waits for it."""
        with self._lock:
            if self._is_closed:  # a thread that a component left behind
                return
            if self._count >= MOST_LINES:
                self._left_out += 1
                return
            self._add(step, line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Hand over what is left, and say how many lines were left out."""
        with self._lock:
            self._flush()
            if self._left_out:
                self._add("", LogLine.now("warning", f"{self._left_out:,} lines {_LEFT_OUT}"))
                self._flush()
            self._is_closed = True

    def _add(self, step: str, line: LogLine) -> None:
        self._count += 1
        cursor = LogCursor(attempt=self._record.attempt, number=self._count)
        kept = ExecutionLine(cursor=cursor, step=step, at=line.at, level=line.level, text=storable(line.text))
        if self._count <= self._lines_in_database:
            self._note(self._chunk((kept,)))
            return
        self._waiting.append(kept)
        self._waiting_chars += len(kept.text)
        if len(self._waiting) >= _OBJECT_LINES or self._waiting_chars >= _OBJECT_CHARS:
            self._flush()
        elif self._timer is None:
            self._timer = threading.Timer(_WAIT_S, self._flush)
            self._timer.daemon = True
            self._timer.start()

    def _flush(self) -> None:
        """Store the lines that wait as one object."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if not self._waiting:
                return
            lines, self._waiting, self._waiting_chars = tuple(self._waiting), [], 0
            first = lines[0].cursor.number
            record = self._record
            key = keys.execution_log(created_month(record.id), record.id, record.attempt, first)
            try:
                self._stores.objects.put(key, gzip.compress(json.dumps(to_data(lines)).encode(), compresslevel=1))
            except StoreUnavailable as error:
                _LOG.warning("%d log lines of execution %s are lost: %s", len(lines), record.id, error)
                self._left_out += len(lines)
                self._count = first - 1
                return
            self._note(self._chunk(lines, key))

    def _chunk(self, lines: tuple[ExecutionLine, ...], key: str | None = None) -> LogChunk:
        return LogChunk(
            execution=self._record.id,
            attempt=self._record.attempt,
            first=lines[0].cursor.number,
            last=lines[-1].cursor.number,
            lines=lines if key is None else (),
            key=key,
        )
