"""Writes what the executions of an engine do: one thread, and one transaction for all that happened meanwhile.

A commit takes longer than a short step: writing each change on its own would make executions wait for one another.
"""

import logging
import queue as queues
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Self

from imageflow_clients.database.executions import attempts, logs, queue
from imageflow_clients.database.executions.attempts import Ending, StepChange
from imageflow_clients.database.executions.logs import LogChunk
from imageflow_clients.stores import Stores
from imageflow_domain.errors import DatabaseUnavailable
from imageflow_domain.executions import ExecutionRecord

_LOG = logging.getLogger(__name__)

_AT_ONCE = 500
"""Changes in one transaction."""

_GATHER_S = 0.025
"""How long the beginning or end of a step waits for other changes of the same transaction. Ends of executions do not
wait: their clients do."""

_RETRY_S = 0.5


@dataclass(frozen=True, kw_only=True)
class AwaitedEnding(Ending):
    """An ending whose commit is awaited."""

    written: Future[ExecutionRecord | None] = field(default_factory=Future)
    """Done once the ending is committed: the execution, or `None` where it was not this attempt's to end any more."""


@dataclass(frozen=True, kw_only=True)
class _Mark:
    """A place among what was noted."""

    reached: Future[None] = field(default_factory=Future)


Noted = StepChange | LogChunk | AwaitedEnding


class Journal:
    """A context manager: at its end everything that was noted is written.

    While the database is away, changes wait in memory, and are written once it is back. Each is written once.
    """

    def __init__(self, stores: Stores, engine: str) -> None:
        self._stores = stores
        self._engine = engine
        self._noted: queues.SimpleQueue[Noted | _Mark | None] = queues.SimpleQueue()
        self._thread = threading.Thread(target=self._write_on, name="imageflow-journal", daemon=True)
        self._gives_up = threading.Event()

    def step(self, change: StepChange) -> None:
        """Note that a step began or ended; returns at once."""
        self._noted.put(change)

    def log(self, chunk: LogChunk) -> None:
        """Note log lines; returns at once."""
        self._noted.put(chunk)

    def drain(self) -> None:
        """Return once all that was noted before is written, or given up."""
        mark = _Mark()
        self._noted.put(mark)
        mark.reached.result()

    def end(self, ending: Ending) -> Future[ExecutionRecord | None]:
        """Note how an execution ended, after its steps; the future is `AwaitedEnding.written`."""
        awaited = AwaitedEnding(record=ending.record, state=ending.state, outputs=ending.outputs, error=ending.error)
        self._noted.put(awaited)
        return awaited.written

    def give_up(self) -> None:
        """Wait no longer for a database that is away; what cannot be written raises where its end is awaited."""
        self._gives_up.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Write what is noted; what cannot be written now is lost with the leases of its executions."""
        self.give_up()
        self._noted.put(None)
        self._thread.join()

    def _write_on(self) -> None:
        is_over = False
        while not is_over:
            found = self._gathered()
            is_over = None in found
            batch = [each for each in found if isinstance(each, Noted)]
            if batch:
                self._write_patiently(batch)
            for each in found:
                if isinstance(each, _Mark):
                    each.reached.set_result(None)

    def _gathered(self) -> list[Noted | _Mark | None]:
        """Return what was noted: at once where a caller waits for it, otherwise all that comes within `_GATHER_S`."""
        found = [self._noted.get()]
        until = time.monotonic() + _GATHER_S
        is_awaited = not isinstance(found[0], StepChange | LogChunk)
        while len(found) < _AT_ONCE:
            try:
                left_s = until - time.monotonic()
                found.append(self._noted.get_nowait() if is_awaited or left_s <= 0 else self._noted.get(timeout=left_s))
            except queues.Empty:
                break
            is_awaited = is_awaited or not isinstance(found[-1], StepChange | LogChunk)
        return found

    def _write_patiently(self, batch: Sequence[Noted]) -> None:
        while True:
            try:
                ended = self._write(batch)
            except DatabaseUnavailable as error:
                _LOG.warning("changes of executions wait to be written: %s", error)
                if self._gives_up.wait(_RETRY_S):
                    self._fail(batch, error)
                    return
            except Exception as error:  # noqa: BLE001 - logged in full; the thread writes for all executions
                if len(batch) > 1:  # one of them: the others are written
                    for each in batch:
                        self._write_patiently([each])
                    return
                _LOG.exception("a change of an execution cannot be written: its lease will end")
                self._fail(batch, error)
                return
            else:
                for each in batch:
                    if isinstance(each, AwaitedEnding):
                        each.written.set_result(ended.get(each.record.id))
                return

    def _write(self, batch: Sequence[Noted]) -> Mapping[uuid.UUID, ExecutionRecord]:
        """Write a batch in one transaction; return what it ended."""
        changes = [each for each in batch if isinstance(each, StepChange)]
        chunks = [each for each in batch if isinstance(each, LogChunk)]
        endings = [each for each in batch if isinstance(each, AwaitedEnding)]
        with self._stores.database.begin() as connection:
            if chunks:
                # Of all of them: leases are locked by id, as those of this engine that are renewed meanwhile.
                of = {each.record.id if isinstance(each, AwaitedEnding) else each.execution for each in batch}
                logs.write(connection, queue.held_among(connection, self._engine, of), chunks)
            return attempts.write(connection, changes, endings) if changes or endings else {}

    def _fail(self, batch: Sequence[Noted], error: Exception) -> None:
        for each in batch:
            if isinstance(each, AwaitedEnding):
                each.written.set_exception(error)
