"""Work of which each client has one piece at a time, where its newest request takes the place of an older one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import Cancelled, ImageFlowError, Superseded, Timeout, TooManyRequests


class Turn:
    """One piece of work."""

    def __init__(self) -> None:
        self.stop = Cancellation()
        """Stops it."""
        self.end: ImageFlowError | None = None
        """Why it was stopped; `None` while it goes on."""

    def finish(self, why: ImageFlowError) -> None:
        """Stop it; the first reason counts."""
        if self.end is None:
            self.end = why
            self.stop.cancel(str(why))


class Newest:
    """Gives turns. Belongs to one event loop.

    Args:
        at_once: Turns that go on side by side.
        most: Clients that have a turn or wait for one; more are refused.
        longest_s: Of one turn.
    """

    def __init__(self, *, at_once: int, most: int, longest_s: float) -> None:
        self._at_once = at_once
        self._most = most
        self._longest_s = longest_s
        self._changed = asyncio.Condition()
        self._newest: dict[str, Turn] = {}
        self._working: set[str] = set()

    @asynccontextmanager
    async def turn(self, client: str) -> AsyncIterator[Turn]:
        """Give a client's turn, once its older one has ended and there is room.

        Raises:
            Superseded: Where the client asks for another turn before this one has ended.
            Timeout: Where it takes too long.
            TooManyRequests: Where as many clients wait as may.
        """
        turn = Turn()
        try:
            await self._announce(client, turn)
            await self._wait(client, turn)
            late = asyncio.get_running_loop().call_later(self._longest_s, turn.finish, self._too_long())
            try:
                yield turn
            except Cancelled:
                raise turn.end or Cancelled(turn.stop.reason) from None
            finally:
                late.cancel()
                await self._leave(client)
        finally:
            if self._newest.get(client) is turn:
                del self._newest[client]

    async def _announce(self, client: str, turn: Turn) -> None:
        older = self._newest.get(client)
        if older is None and len(self._newest) >= self._most:
            raise TooManyRequests(f"{self._most} clients ask for previews at the moment: try again in a few seconds.")
        self._newest[client] = turn
        if older is not None:
            older.finish(Superseded("A newer request of the same session took the place of this one."))
            async with self._changed:
                self._changed.notify_all()

    async def _wait(self, client: str, turn: Turn) -> None:
        def may_begin() -> bool:
            return client not in self._working and len(self._working) < self._at_once

        async with self._changed:
            await self._changed.wait_for(lambda: turn.end is not None or may_begin())
            if turn.end is not None:
                raise turn.end
            self._working.add(client)

    async def _leave(self, client: str) -> None:
        async with self._changed:
            self._working.discard(client)
            self._changed.notify_all()

    def _too_long(self) -> Timeout:
        return Timeout(
            f"The preview takes longer than {self._longest_s:g} s: use smaller samples, or select an earlier step."
        )
