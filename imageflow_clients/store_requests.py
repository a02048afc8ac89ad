"""How the object store's requests are made: straight away for a folder, bounded in time and number for a server."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ParamSpec, Protocol, TypeVar

from typing_extensions import override

P = ParamSpec("P")
T = TypeVar("T")


class Requests(Protocol):
    """Makes requests, each a call that blocks until it is answered."""

    def make(self, request: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the request returns."""
        ...


class DirectRequests(Requests):
    """To a folder: in the calling thread, for as long as the disk takes."""

    @override
    def make(self, request: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return request(*args, **kwargs)


class BoundedRequests(Requests):
    """To a server: no more than so many at once, and each over by its deadline, waiting and retries included.

    They are made by threads of Python alone. obstore's awaitable requests are ended by a thread of its own that runs
    Python meanwhile: where the interpreter ends just then, the process is aborted.

    Safe to share among threads; after a fork, make another.
    """

    def __init__(self, *, deadline_s: float, at_once: int) -> None:
        self.deadline_s = deadline_s
        self._at_once = at_once
        self._asked: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._turn = threading.Lock()
        self._threads = 0

    @override
    def make(self, request: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return self.within(self.deadline_s, lambda: request(*args, **kwargs))

    def within(self, seconds: float, request: Callable[[], T]) -> T:
        """Return what `request()` returns; raise `TimeoutError` after `seconds`, the wait for a turn included.

        After its deadline or Ctrl-C a request is no longer waited for, and ends by itself.
        """
        future: Future[T] = Future()
        self._asked.put((future, request))
        self._see_to_it()
        try:
            return future.result(seconds)
        finally:
            future.cancel()

    def _see_to_it(self) -> None:
        """Start another thread unless one is idle or there are enough."""
        if self._idle.acquire(blocking=False):
            return
        with self._turn:
            if self._threads < self._at_once:
                self._threads += 1
                threading.Thread(target=self._answer, name=f"object-store-{self._threads}", daemon=True).start()

    def _answer(self) -> None:
        while True:
            future, request = self._asked.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(request())
                except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                    future.set_exception(error)
            del future, request  # an idle thread holds no object's bytes
            self._idle.release()
