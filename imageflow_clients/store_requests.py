"""How the object store's requests are made: straight away for a folder, bounded in time and number for a server."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Requests(Protocol):
    """Makes a request that obstore offers in two forms, one that blocks and one that is awaited."""

    def make(
        self, blocking: Callable[P, T], awaited: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what the request returns."""
        ...


class DirectRequests:
    """To a folder: in the calling thread, for as long as the disk takes."""

    def make(
        self,
        blocking: Callable[P, T],
        awaited: Callable[P, Awaitable[T]],  # noqa: ARG002 - the other form
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        return blocking(*args, **kwargs)


class BoundedRequests:
    """To a server: no more than so many at once, and each over by its deadline, waiting and retries included.

    Safe to share among threads; after a fork, make another.
    """

    def __init__(self, *, deadline_s: float, at_once: int) -> None:
        self.deadline_s = deadline_s
        self._slots = asyncio.Semaphore(at_once)
        self._turn = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def make(
        self,
        blocking: Callable[P, T],  # noqa: ARG002 - the other form
        awaited: Callable[P, Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        return self.within(self.deadline_s, lambda: awaited(*args, **kwargs))

    def within(self, seconds: float, make: Callable[[], Awaitable[T]]) -> T:
        """Return what `make()` gives; raise `TimeoutError` after `seconds`, the wait for a turn included."""

        async def bounded() -> T:
            async with asyncio.timeout(seconds), self._slots:
                return await make()

        future = asyncio.run_coroutine_threadsafe(bounded(), self._running_loop())
        try:
            return future.result()
        finally:
            future.cancel()  # Ctrl-C: nobody waits for it any more

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._turn:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="object-store", daemon=True).start()
            return self._loop
