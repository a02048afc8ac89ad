"""Waiting for the end of executions: one connection of a process is notified of all that end."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterable
from uuid import UUID

from anyio import CapacityLimiter, to_thread

from imageflow_clients.database.core.engine import Database
from imageflow_clients.database.core.waking import Bell
from imageflow_clients.database.executions.queue import ENDS as CHANNEL
from imageflow_clients.database.executions.rows import ended_among
from imageflow_domain.errors import DatabaseUnavailable, TooManyRequests
from imageflow_domain.events import LoggedEvent
from imageflow_domain.executions import ENDS
from imageflow_edge.places import placed

_LOG = logging.getLogger(__name__)

_POLL_S = 1.0
"""Notifications may be lost with a connection: the executions that are waited for are looked at so often besides."""

_REMEMBERED = 10_000
"""Executions whose ends were notified last: one may end before its request waits for it."""


class ExecutionEnds:
    """Wakes those who wait for the end of an execution. Belongs to one event loop.

    Args:
        database: Where executions are.
        linger_s: The connection is still kept for this time after the last one has waited.
    """

    def __init__(self, database: Database, *, linger_s: float = 60.0) -> None:
        self._database = database
        self._linger_s = linger_s
        self._waiting: dict[UUID, set[asyncio.Future[bool]]] = {}
        self._ended: OrderedDict[UUID, None] = OrderedDict()
        self._reader: asyncio.Task[None] | None = None
        self._used_at = 0.0
        self._is_closed = False

    async def within(self, execution: UUID, timeout_s: float) -> bool:
        """Return whether an execution ends in time; `False`, too, where this process stops."""
        loop = asyncio.get_running_loop()
        self._used_at = loop.time()
        if self._is_closed or execution in self._ended:
            return not self._is_closed
        waiter: asyncio.Future[bool] = loop.create_future()
        self._waiting.setdefault(execution, set()).add(waiter)
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read_on())
        try:
            async with asyncio.timeout(timeout_s):
                return await waiter
        except TimeoutError:
            return False
        finally:
            self._leave(execution, waiter)

    async def within_place(self, places: CapacityLimiter, execution: UUID, timeout_s: float) -> bool:
        """Do what `within` does, in one of the places of a process; return `False` at once where none is free."""
        try:
            with placed(places, "{} clients follow executions here already."):
                return await self.within(execution, timeout_s)
        except TooManyRequests:
            return False

    def close(self) -> None:
        """End all waits: clients repeat their requests, which another process answers."""
        self._is_closed = True
        if self._reader is not None:
            self._reader.cancel()
        self._wake(tuple(self._waiting), has_ended=False)

    def _leave(self, execution: UUID, waiter: asyncio.Future[bool]) -> None:
        self._used_at = asyncio.get_running_loop().time()
        waiters = self._waiting[execution]
        waiters.remove(waiter)
        if not waiters:
            del self._waiting[execution]

    def _wake(self, executions: Iterable[UUID], *, has_ended: bool) -> None:
        for execution in executions:
            for waiter in self._waiting.get(execution, ()):
                if not waiter.done():
                    waiter.set_result(has_ended)

    async def _read_on(self) -> None:
        alone = CapacityLimiter(1)
        try:
            with Bell(self._database.engine, CHANNEL) as bell:
                while self._is_used():
                    try:
                        notified = await to_thread.run_sync(bell.wait, _POLL_S, limiter=alone, abandon_on_cancel=True)
                        self._note(map(UUID, notified))
                        if not notified and self._waiting:
                            ended = await to_thread.run_sync(self._ended_among, tuple(self._waiting), limiter=alone)
                            self._wake(ended, has_ended=True)
                    except DatabaseUnavailable as error:
                        _LOG.warning("ends of executions cannot be read: %s", error)
                        await asyncio.sleep(_POLL_S)
                    except Exception:  # noqa: BLE001 - logged in full, and tried again: requests wait for it
                        _LOG.exception("ends of executions cannot be read")
                        await asyncio.sleep(_POLL_S)
        finally:
            self._ended.clear()  # from now on, ends are not noted

    def _is_used(self) -> bool:
        return bool(self._waiting) or asyncio.get_running_loop().time() < self._used_at + self._linger_s

    def _note(self, executions: Iterable[UUID]) -> None:
        """Remember executions that ended, and wake those who wait for them."""
        for execution in executions:
            self._ended[execution] = None
            self._wake((execution,), has_ended=True)
        while len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)

    def _ended_among(self, executions: tuple[UUID, ...]) -> frozenset[UUID]:
        with self._database.begin() as connection:
            return ended_among(connection, executions)


def is_end(one: LoggedEvent) -> bool:
    """Whether an event says that its execution has ended."""
    return one.event.kind == "state" and one.event.data.get("state") in ENDS
