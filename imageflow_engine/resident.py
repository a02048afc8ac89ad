"""The loop of a resident engine: as many executions at once as there are cores, until it is stopped."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from typing_extensions import override

from imageflow_clients.database.core.waking import Bell
from imageflow_clients.database.executions.queue import CHANNEL
from imageflow_clients.stores import Stores
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import DatabaseUnavailable
from imageflow_domain.executions import ExecutionRecord
from imageflow_executions.execute import Executed, Executor
from imageflow_executions.held_executions import HeldExecutions
from imageflow_executions.leases import give_back, requeue_expired, take_next
from imageflow_executions.months import prepare_months
from imageflow_executions.start import Place

_LOG = logging.getLogger(__name__)

_POLL_S = 1.0
"""Notifications may be lost with a connection: the queue is looked at so often besides."""

_MEND_S = 5.0
_MONTHS_S = 3600.0
_RETRY_S = 1.0


class OwnPlace(Place):
    """A place of an engine, for one execution.

    Args:
        engine: The engine's name.
        begin: Begins an execution there.
    """

    def __init__(
        self, engine: str, begin: Callable[[ExecutionRecord, Mapping[str, bytes]], Future[Executed | None]]
    ) -> None:
        self._engine = engine
        self._begin = begin
        self.ended: Future[Executed | None] | None = None
        """The execution as it ended, `None` where it was given back. There is no future where none has begun here."""

    @property
    @override
    def engine(self) -> str:
        return self._engine

    @override
    def begin(self, record: ExecutionRecord, sources: Mapping[str, bytes]) -> None:
        self.ended = self._begin(record, sources)


class Resident:
    """Takes executions and executes them.

    Args:
        stores: Where rows and objects are.
        executor: Executes one.
        name: Of this engine, as leases have it; no other process has the same.
        at_once: Executions that go on side by side; the cores of this machine by default.
    """

    def __init__(self, stores: Stores, executor: Executor, name: str, *, at_once: int | None = None) -> None:
        self._stores = stores
        self._executor = executor
        self._name = name
        self._at_once = at_once or len(os.sched_getaffinity(0))
        self._held = HeldExecutions(stores, name)
        self._places = threading.Semaphore(self._at_once)
        self._stopping = threading.Event()
        self._beginning = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None
        """There while executions may begin."""

    def stop(self) -> None:
        """Take no further execution; `run` returns once those that go on have ended. Safe in a signal handler."""
        self._stopping.set()

    def run(self, *, grace_s: float) -> None:
        """Execute what waits until `stop`; then give those back that have not ended after `grace_s` seconds."""
        with ThreadPoolExecutor(self._at_once, "imageflow-execution") as threads, self._held:
            self._threads = threads
            upkeep = threading.Thread(target=self._keep_up, name="imageflow-upkeep", daemon=True)
            upkeep.start()
            try:
                self._take_on()
                self._drain(grace_s)
            finally:
                self._stopping.set()
                with self._beginning:
                    self._threads = None

    @contextmanager
    def place(self) -> Iterator[OwnPlace | None]:
        """Give a place for an execution that begins at once; `None` where none is free."""
        if self._stopping.is_set() or not self._places.acquire(blocking=False):
            yield None
            return
        own = OwnPlace(self._name, self._begin)
        try:
            yield own
        finally:
            if own.ended is None:
                self._places.release()

    def _take_on(self) -> None:
        with Bell(self._stores.database.engine, CHANNEL) as bell:
            while not self._stopping.is_set():
                if self._places.acquire(timeout=_POLL_S) and not self._take():
                    # Not while it waits: an execution that comes with a call may have the place.
                    self._places.release()
                    self._await(bell)

    def _take(self) -> bool:
        """Begin an execution that waits; return whether there was one."""
        try:
            record = take_next(self._stores, self._name)
        except DatabaseUnavailable as error:
            _LOG.warning("the queue cannot be read: %s", error)
            return False
        if record is None:
            return False
        self._begin(record)
        return True

    def _await(self, bell: Bell) -> None:
        try:
            bell.wait(_POLL_S)
        except DatabaseUnavailable:
            self._stopping.wait(_RETRY_S)

    def _begin(self, record: ExecutionRecord, sources: Mapping[str, bytes] | None = None) -> Future[Executed | None]:
        with self._beginning:
            if self._threads is not None:
                return self._threads.submit(self._execute, record, self._held.hold(record.id), sources)
        # The engine has just stopped.
        give_back(self._stores, self._name, record.id)
        self._places.release()
        over: Future[Executed | None] = Future()
        over.set_result(None)
        return over

    def _execute(
        self, record: ExecutionRecord, cancellation: Cancellation, sources: Mapping[str, bytes] | None
    ) -> Executed | None:
        try:
            return self._executor.execute(record, cancellation, sources)
        except Exception:  # noqa: BLE001 - logged in full; the lease ends, and another engine begins it again
            _LOG.exception("execution %s is given up: its lease will end", record.id)
            return None
        finally:
            self._held.let_go(record.id)
            self._places.release()

    def _drain(self, grace_s: float) -> None:
        deadline = time.monotonic() + grace_s
        while self._held.now() and time.monotonic() < deadline:
            time.sleep(0.05)
        left = self._held.now()
        for cancellation in left.values():
            cancellation.cancel("The engine stops.")
        for execution in left:
            try:
                give_back(self._stores, self._name, execution)
            except DatabaseUnavailable as error:
                _LOG.warning("execution %s goes on elsewhere once its lease has ended: %s", execution, error)
        self._executor.give_up()

    def _keep_up(self) -> None:
        """Requeue what other engines lost, and prepare the months to come."""
        prepared = None
        while not self._stopping.is_set():
            try:
                if prepared is None or time.monotonic() - prepared > _MONTHS_S:
                    prepare_months(self._stores)
                    prepared = time.monotonic()
                requeue_expired(self._stores)
            except DatabaseUnavailable as error:
                _LOG.warning("lost executions cannot be looked for: %s", error)
            except Exception:  # noqa: BLE001 - logged in full, and tried again
                _LOG.exception("lost executions cannot be looked for")
            self._stopping.wait(_MEND_S)
