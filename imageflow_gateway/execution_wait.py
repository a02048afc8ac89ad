"""Waiting for the end of an execution by its events."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

from imageflow_domain.errors import EventsForgotten
from imageflow_domain.events import BEGINNING, LoggedEvent
from imageflow_domain.execution_events import subject_of
from imageflow_domain.executions import ENDS
from imageflow_edge.hub import Hub


@asynccontextmanager
async def await_end(hub: Hub, execution: UUID, *, timeout_s: float) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
    """Give what waits until an execution has ended, and returns whether it did in time.

    Begun before the execution is started, it misses none of its events. Raises `DatabaseUnavailable`.

    Args:
        hub: Hands out events.
        execution: Which one.
        timeout_s: From the call of what is given on.
    """
    with await hub.follow(subject_of(execution), after=BEGINNING) as following:

        async def ended() -> bool:
            deadline = asyncio.get_running_loop().time() + timeout_s
            while (left_s := deadline - asyncio.get_running_loop().time()) > 0:
                try:
                    if any(is_end(one) for one in await following.next(left_s)):
                        return True
                except EventsForgotten:
                    return True  # it is a week old
            return False

        yield ended


def is_end(one: LoggedEvent) -> bool:
    """Whether an event says that its execution has ended."""
    return one.event.kind == "state" and one.event.data.get("state") in ENDS
