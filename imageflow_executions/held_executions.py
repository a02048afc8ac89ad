"""Executions that a process works on: their leases are renewed, and those that are cancelled or lost are stopped."""

import logging
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from imageflow_clients.database.core.waking import Bell
from imageflow_clients.database.executions.queue import CANCELLATIONS
from imageflow_clients.stores import Stores
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import DatabaseUnavailable
from imageflow_executions.leases import LEASE, find_cancelled, renew_leases

_LOG = logging.getLogger(__name__)

_POLL_S = 1.0
_RENEW_S = LEASE.total_seconds() / 5
_RETRY_S = 1.0


class HeldExecutions:
    """Watches leases from its beginning to its end, in a thread of its own. A context manager.

    Args:
        stores: Where the leases are.
        name: Of this process, as leases have it.
    """

    def __init__(self, stores: Stores, name: str) -> None:
        self._stores = stores
        self._name = name
        self._lock = threading.Lock()
        self._held: dict[uuid.UUID, Cancellation] = {}
        self._gone: frozenset[uuid.UUID] = frozenset()
        """Those whose leases were not there at the last renewal."""
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch_on, name="imageflow-leases", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End once nothing is held any more."""
        self._is_over.set()

    @contextmanager
    def holding(self, execution: uuid.UUID) -> Iterator[Cancellation]:
        """Hold an execution while the body works on it; the switch stops it."""
        cancellation = self.hold(execution)
        try:
            yield cancellation
        finally:
            self.let_go(execution)

    def hold(self, execution: uuid.UUID) -> Cancellation:
        """Hold an execution until `let_go`; return the switch that stops it."""
        cancellation = Cancellation()
        with self._lock:
            self._held[execution] = cancellation
        return cancellation

    def let_go(self, execution: uuid.UUID) -> None:
        """Hold an execution no longer."""
        with self._lock:
            del self._held[execution]

    def now(self) -> Mapping[uuid.UUID, Cancellation]:
        """Return what is held."""
        with self._lock:
            return dict(self._held)

    def _watch_on(self) -> None:
        renewed = 0.0
        with Bell(self._stores.database.engine, CANCELLATIONS) as bell:
            while not self._is_over.is_set() or self.now():
                try:
                    bell.wait(_POLL_S)
                    held = self.now()
                    if time.monotonic() - renewed > _RENEW_S:
                        self._renew(held)
                        renewed = time.monotonic()
                    for execution in find_cancelled(self._stores, held) if held else ():
                        held[execution].cancel("The execution was cancelled.")
                except DatabaseUnavailable as error:
                    _LOG.warning("leases cannot be renewed: %s", error)
                    time.sleep(_RETRY_S)
                except Exception:  # noqa: BLE001 - logged in full; without this thread all leases would end
                    _LOG.exception("leases cannot be renewed")
                    time.sleep(_RETRY_S)

    def _renew(self, held: Mapping[uuid.UUID, Cancellation]) -> None:
        """Renew the leases; one that began or ended meanwhile is looked at the next time."""
        if not held:
            return
        gone = held.keys() - renew_leases(self._stores, self._name, held.keys())
        for execution in gone & self._gone:  # twice: one whose end is just committed is still held for a moment
            if execution in self.now():
                _LOG.warning("execution %s was taken from this process, which was silent for too long", execution)
                held[execution].cancel("The process lost its lease.")
        self._gone = frozenset(gone)
