"""One switch that stops a piece of work wherever it is: between steps, inside a model's run, in another process."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from imageflow_domain.errors import Cancelled


class Cancellation:
    """Thrown once, from any thread; work checks it, waits on it, or is called by it.

    A deadline is a timer that throws it: work needs to know of this switch alone.
    """

    def __init__(self) -> None:
        self._thrown = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self._reason = ""

    @property
    def is_cancelled(self) -> bool:
        """Whether the work is to stop; once true, it stays so."""
        return self._thrown.is_set()

    @property
    def reason(self) -> str:
        """Why, in a sentence; empty while nothing is cancelled."""
        return self._reason

    def cancel(self, reason: str = "The run was cancelled.") -> None:
        """Stop the work. A second call changes nothing."""
        with self._lock:
            if self._thrown.is_set():
                return
            self._reason = reason
            self._thrown.set()
            callbacks = tuple(self._callbacks)
        for callback in callbacks:
            callback()

    def check(self) -> None:
        """Raise `Cancelled` if the work is to stop."""
        if self._thrown.is_set():
            raise Cancelled(self._reason)

    def wait(self, seconds: float) -> None:
        """Sleep, but raise `Cancelled` as soon as the work is to stop."""
        self._thrown.wait(seconds)
        self.check()

    @contextmanager
    def interrupting(self, callback: Callable[[], None]) -> Iterator[None]:
        """Have `callback` called, from another thread, if the work is to stop while the body runs.

        Raises `Cancelled` instead of entering the body if it is to stop already. `callback` must return at once and
        may be called just after the body has ended.
        """
        with self._lock:
            self.check()
            self._callbacks.append(callback)
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.remove(callback)
