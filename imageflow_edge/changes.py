"""What happens to a subject, to one follower by any protocol: how it stands, then every change once, in order."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeVar

from imageflow_domain.errors import DatabaseUnavailable, EventsForgotten, Unavailable
from imageflow_domain.events import EventCursor, LoggedEvent
from imageflow_domain.execution_events import LOGGED
from imageflow_edge.execution_ends import is_end
from imageflow_edge.hub import Following, Hub

_RETRY_S = 1.0


class Standing(Protocol):
    """How a subject stands."""

    @property
    def cursor(self) -> EventCursor:
        """Of the newest event that it includes."""

    @property
    def is_end(self) -> bool:
        """Whether nothing changes any more."""


S = TypeVar("S", bound=Standing)


async def changes(
    hub: Hub, subject: str, read: Callable[[], Awaitable[S]], *, begin: S | EventCursor, beat_s: float
) -> AsyncGenerator[S | LoggedEvent | None]:
    """Yield how a subject stands, then its events until the end; `None` where there is nothing to say for a while.

    Events of log lines are left out: see `log_tail`.

    Ends without the subject's end where the process stops: the client asks again, and goes on where it was.

    Args:
        hub: Hands out events.
        subject: As the log calls it.
        read: Reads how it stands, where the log does not keep the events that the follower missed.
        begin: How it stands, or the last event that the follower has.
        beat_s: After this time without an event `None` is yielded; it also is while the database is away.
    """
    snapshot: S | None = None if isinstance(begin, EventCursor) else begin
    seen: EventCursor | None = begin if isinstance(begin, EventCursor) else None
    is_forgotten = False
    while True:
        try:
            if is_forgotten:
                snapshot, is_forgotten = await read(), False
            if snapshot is not None:
                yield snapshot
                seen = snapshot.cursor
                if snapshot.is_end:
                    return
            with await hub.follow(subject, after=seen) as following:
                async for event in _events(following, beat_s):
                    if event is None or event.event.kind != LOGGED:
                        yield event
                    seen = following.cursor if event is None else event.cursor
                return
        except EventsForgotten:
            is_forgotten = True
        except DatabaseUnavailable:
            snapshot = None
            yield None
            await asyncio.sleep(_RETRY_S)
        except Unavailable:
            return


async def _events(following: Following, beat_s: float) -> AsyncIterator[LoggedEvent | None]:
    """Yield events until one is the end."""
    while True:
        some = await following.next(beat_s)
        if not some:
            yield None
        for one in some:
            yield one
            if is_end(one):
                return
