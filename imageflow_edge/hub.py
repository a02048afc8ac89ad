"""Events to all followers of a subject in a process: one reader of the log, however many follow.

The hub keeps the newest events of each followed subject. A follower that is further behind reads the log again: it
loses nothing, and delays no other.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from typing import Self, TypeVar

from anyio import CapacityLimiter, to_thread
from sqlalchemy import Connection

from imageflow_clients.database.core import event_positions, events
from imageflow_clients.database.core.engine import Database
from imageflow_clients.database.core.waking import Bell
from imageflow_domain.errors import DatabaseUnavailable, EventsForgotten, ImageFlowError, Unavailable
from imageflow_domain.events import BEGINNING, EventCursor, LoggedEvent

_LOG = logging.getLogger(__name__)

_POLL_S = 1.0
_PAGE = 500
_REMEMBERED = 1_000
"""Events of each subject in memory."""

T = TypeVar("T")


@dataclass
class _FollowedSubject:
    """What happened to one subject since it is followed."""

    followers: int = 0
    newest: deque[LoggedEvent] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    end: ImageFlowError | None = None
    """Why nothing more comes of this channel."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def after(self, cursor: EventCursor) -> tuple[LoggedEvent, ...] | None:
        """Return the events after a place; `None` where the log may have more of them."""
        later = tuple(takewhile(lambda one: one.cursor > cursor, reversed(self.newest)))[::-1]
        is_here = len(later) < len(self.newest) and self.newest[-1 - len(later)].cursor == cursor
        return later if not later or is_here or cursor.is_followed_by(later[0].cursor) else None

    def wake(self) -> None:
        """Wake all followers that wait."""
        self.changed.set()
        self.changed = asyncio.Event()

    def finish(self, why: ImageFlowError) -> None:
        self.end = why
        self.wake()


class Hub:
    """Reads the log while anybody follows a subject. Belongs to one event loop.

    Args:
        database: Where the log is.
        log_reads: Followers that read the log at once; others that are behind wait for their turn.
        linger_s: So long the log is read on when nobody follows anything.
    """

    def __init__(self, database: Database, *, log_reads: int = 4, linger_s: float = 60.0) -> None:
        self._database = database
        self._linger_s = linger_s
        self._log_reads = CapacityLimiter(log_reads)
        self._followed: dict[str, _FollowedSubject] = {}
        self._position = 0
        self._beginning = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._is_closed = False

    async def follow(self, subject: str, after: EventCursor | None = None) -> "Following":
        """Return what happens to a subject after a place, by default from now on.

        Read how the subject stands after this call and not before: what happens in between is known twice at worst.
        Raises `DatabaseUnavailable`, and `Unavailable` once the hub is closed.
        """
        channel = self._followed.setdefault(subject, _FollowedSubject())
        following = Following(self, subject, channel)
        try:
            await self._begin()
            if after is None:
                following.begin(await self.read(partial(events.head, subject=subject)), is_behind=False)
            else:
                following.begin(after, is_behind=True)
        except BaseException:
            following.close()
            raise
        return following

    def close(self) -> None:
        """End every following; their clients ask again and find the process that serves then."""
        self._is_closed = True
        self._stop(Unavailable("This process stops: ask again."))

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Return what a query gives, in a transaction of its own."""

        def ask() -> T:
            with self._database.begin() as connection:
                return query(connection)

        return await to_thread.run_sync(ask, limiter=self._log_reads)

    def leave(self, subject: str, channel: _FollowedSubject) -> None:
        """Forget a channel that nobody follows any more."""
        if channel.followers == 0 and self._followed.get(subject) is channel:
            del self._followed[subject]
        if not self._followed and self._reader is not None and self._rest is None:
            self._rest = asyncio.get_running_loop().call_later(self._linger_s, self._rest_unless_followed)

    async def _begin(self) -> None:
        """Return once every event that is committed from now on reaches its channel."""
        async with self._beginning:
            if self._is_closed:
                raise Unavailable("This process stops: ask again.")
            if self._reader is None:
                position = await self.read(event_positions.last_position)
                if self._is_closed:
                    raise Unavailable("This process stops: ask again.")
                self._position = position
            if self._reader is None or self._reader.done():  # one that died goes on where it was
                self._reader = asyncio.create_task(self._read_on())

    def _rest_unless_followed(self) -> None:
        self._rest = None
        if not self._followed:
            self._stop(Unavailable("Nobody followed: ask again."))

    def _stop(self, why: ImageFlowError) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None
        self._finish(why)

    def _finish(self, why: ImageFlowError) -> None:
        for channel in self._followed.values():
            channel.finish(why)
        self._followed.clear()

    async def _read_on(self) -> None:
        alone = CapacityLimiter(1)
        has_more = False
        gone: EventsForgotten | None = None
        with Bell(self._database.engine, events.CHANNEL) as bell:
            while True:
                try:
                    if gone is not None:
                        position = await self.read(event_positions.last_position)
                        self._finish(gone)  # after the await: it ends those that began to follow meanwhile
                        self._position, gone = position, None
                    page = await to_thread.run_sync(
                        self._next_page, None if has_more else bell, limiter=alone, abandon_on_cancel=True
                    )
                    self._hand_out(page)
                    has_more = len(page) == _PAGE
                except EventsForgotten as error:
                    gone = error
                except DatabaseUnavailable as error:
                    _LOG.warning("events cannot be read: %s", error)
                    await asyncio.sleep(_POLL_S)
                except Exception:  # noqa: BLE001 - logged in full, and tried again: followers depend on it
                    _LOG.exception("events cannot be read")
                    await asyncio.sleep(_POLL_S)

    def _next_page(self, bell: Bell | None) -> tuple[LoggedEvent, ...]:
        if bell is not None:
            bell.wait(_POLL_S)
        with self._database.begin() as connection:
            event_positions.stamp(connection)
        with self._database.begin() as connection:
            return event_positions.read_all(connection, after=self._position, limit=_PAGE)

    def _hand_out(self, page: tuple[LoggedEvent, ...]) -> None:
        subjects = set()
        for one in page:
            channel = self._followed.get(one.event.subject)
            if channel is not None:
                channel.newest.append(one)
                subjects.add(one.event.subject)
        self._position += len(page)
        for subject in subjects:
            self._followed[subject].wake()


class Following:
    """One follower's place among the events of a subject. Close it, or use it as a context manager."""

    def __init__(self, hub: Hub, subject: str, channel: _FollowedSubject) -> None:
        self._hub = hub
        self._subject = subject
        self._channel = channel
        self._is_behind = False
        self._is_closed = False
        channel.followers += 1
        self.cursor = BEGINNING
        """Of the last event that was handed out."""

    def begin(self, cursor: EventCursor, *, is_behind: bool) -> None:
        """Set where it begins, and whether the log may have more than the hub does."""
        self.cursor, self._is_behind = cursor, is_behind

    async def next(self, timeout_s: float) -> tuple[LoggedEvent, ...]:
        """Return the next events, 1,000 at most, in order; none where nothing happened for so long.

        Raises:
            EventsForgotten: The log does not keep the missed events any more: read the current state, and follow anew.
            DatabaseUnavailable: The next call goes on.
            Unavailable: The hub is closed.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        while True:
            channel, changed = self._channel, self._channel.changed
            if channel.end is not None:
                raise channel.end.with_traceback(None)  # which many raise
            found = await self._from_log() if self._is_behind else channel.after(self.cursor)
            if found is None:
                self._is_behind = True
            elif found:
                self.cursor = found[-1].cursor
                return found
            elif not await _is_set_by(changed, deadline):
                return ()

    async def _from_log(self) -> tuple[LoggedEvent, ...]:
        query = partial(events.read_subject, subject=self._subject, after=self.cursor, limit=_PAGE)
        found = await self._hub.read(query)
        self._is_behind = len(found) == _PAGE
        return found

    def close(self) -> None:
        """Follow no more."""
        if not self._is_closed:
            self._is_closed = True
            self._channel.followers -= 1
            self._hub.leave(self._subject, self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


async def _is_set_by(event: asyncio.Event, deadline: float) -> bool:
    try:
        async with asyncio.timeout_at(deadline):
            await event.wait()
    except TimeoutError:
        return False
    return True
