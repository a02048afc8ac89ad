"""The log lines of an execution to one follower by any protocol: every line once, in order, until the last one."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from imageflow_domain.errors import DatabaseUnavailable, EventsForgotten, Unavailable
from imageflow_domain.execution_events import subject_of
from imageflow_domain.execution_logs import ExecutionLine, LogCursor
from imageflow_edge.hub import Hub

_RETRY_S = 1.0


class Lines(Protocol):
    """Some lines of an execution."""

    @property
    def lines(self) -> Sequence[ExecutionLine]:
        """In order."""

    @property
    def has_more(self) -> bool:
        """Whether there were further lines."""

    @property
    def is_end(self) -> bool:
        """Whether nothing is logged any more."""


L = TypeVar("L", bound=Lines)


async def log_tail(
    hub: Hub, execution: UUID, read: Callable[[LogCursor], Awaitable[L]], *, after: LogCursor, beat_s: float
) -> AsyncGenerator[L | None]:
    """Yield lines after a place, some at a time, until the execution has ended; the last ones say so.

    Ends before where the process stops: the client asks again, and goes on where it was.

    Args:
        hub: Says when something happened.
        execution: Its id.
        read: Reads what comes after a place.
        after: The last line that the follower has.
        beat_s: After this time without a line `None` is yielded; it also is while the database is away.
    """
    while True:
        try:
            with await hub.follow(subject_of(execution)) as following:
                while True:
                    page = await read(after)
                    if page.lines or page.is_end:
                        yield page
                    if page.is_end:
                        return
                    if page.lines:
                        after = page.lines[-1].cursor
                    if not page.has_more and not await following.next(beat_s):
                        yield None
        except EventsForgotten:  # nothing is lost: lines are read by their place
            continue
        except DatabaseUnavailable:
            yield None
            await asyncio.sleep(_RETRY_S)
        except Unavailable:
            return
