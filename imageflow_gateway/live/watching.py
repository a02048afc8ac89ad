"""Progress pushed to pages: each survey is read by one, however many clients watch it, and none of them holds a
connection to the database. The next event also carries what a client was too slow to take."""

import asyncio
import json
import logging
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from anyio import to_thread

from imageflow_clients.stores import Stores
from imageflow_domain.errors import (
    DatabaseUnavailable,
    EventsForgotten,
    ImageFlowError,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from imageflow_domain.grid import Block
from imageflow_domain.survey import SurveyState
from imageflow_domain.survey_events import subject_of
from imageflow_edge.error_table import answer_for
from imageflow_edge.hub import Following, Hub
from imageflow_gateway.capacity import Capacity
from imageflow_gateway.dagster_links import DagsterLinks
from imageflow_gateway.live.progress_schema import ProgressEvent, TroubleEvent
from imageflow_surveys.survey_progress import BlockProgress, SurveyProgress, read_progress

_LOG = logging.getLogger(__name__)

_POLL_S = 5.0
"""For what is no event: a worker that has gone silent, tiles within a block."""

_RETRY_S = 1.0
"""Where the database does not answer."""

_REST = 4.0
"""For so many times as long as a survey took to read it rests: one of ten thousand blocks may take a second."""

_LINGER_S = 60.0
"""So long a survey is looked after that nobody watches, so that a client which lost its connection goes on."""

_REMEMBERED = 300
"""Changes that a client may have missed and still gets alone; after more changes it gets everything."""

_ENDED = frozenset({SurveyState.COMPLETED, SurveyState.FAILED, SurveyState.CANCELLED})


@dataclass
class _WatchedSurvey:
    """What is known of one survey, and what changed when."""

    survey: str
    epoch: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    number: int = 0
    """Of the newest event."""
    seen: SurveyProgress | None = None
    changes: deque[tuple[int, frozenset[Block]]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    rendered: dict[tuple[int | None, DagsterLinks], bytes] = field(default_factory=dict)
    """The newest event, by the event that its client got before: most of them got the same one."""
    trouble: ImageFlowError | None = None
    deleted: bool = False
    clients: int = 0
    looks: asyncio.Task[None] | None = None
    """Reads it whenever something happened to it; no survey waits for another one."""
    read_s: float = 0.0
    """Seconds that it took to read last."""
    beats: int = 0
    """Comments that every client has been sent since the channel began; those that keep quiet connections open."""
    watched_at: float = field(default_factory=time.monotonic)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, seen: SurveyProgress) -> None:
        before = {} if self.seen is None else {one.block: one for one in self.seen.blocks}
        recovered, self.trouble = self.trouble is not None, None
        if seen != self.seen or recovered:
            differ = frozenset(one.block for one in seen.blocks if before.get(one.block) != one)
            self.seen = seen
            self.number += 1
            self.changes.append((self.number, differ))
            self.rendered.clear()
            self.wake()

    def wake(self) -> None:
        """Wake all clients that wait."""
        self.changed.set()
        self.changed = asyncio.Event()

    def beat(self) -> None:
        """Let every client that gets nothing else now get a comment: a timer for each would cost as much as events."""
        self.beats += 1
        self.wake()

    def missed(self, after: int | None) -> list[BlockProgress] | None:
        """Return the blocks that changed after an event; `None` where that is unknown: the client gets all."""
        assert self.seen is not None  # noqa: S101 - a channel is read before anybody gets it
        first = self.changes[0][0] if self.changes else self.number + 1
        if after is None or not first - 1 <= after <= self.number:
            return None
        named = {block for number, blocks in self.changes if number > after for block in blocks}
        return [one for one in self.seen.blocks if one.block in named]

    @property
    def end(self) -> tuple[str, str] | None:
        """The last event's id and state, once nothing more will come."""
        if self.deleted:
            return "end-deleted", "deleted"
        survey = self.seen.survey if self.seen else None
        if survey is None or survey.state not in _ENDED:
            return None
        stamp = survey.finished_at.timestamp() if survey.finished_at else 0
        return f"end-{survey.state}-{stamp:.3f}", survey.state


class Watching:
    """Reads how the watched surveys stand when they change, and hands it to every client that watches them.

    Args:
        beat_s: A client that got nothing for so long, or at most twice as long, gets a comment: proxies and browsers
            end quiet connections.
    """

    def __init__(self, stores: Stores, capacity: Capacity, hub: Hub, *, beat_s: float = 15.0) -> None:
        self._stores = stores
        self._capacity = capacity
        self._hub = hub
        self._beat_s = beat_s
        self._watched: dict[str, _WatchedSurvey] = {}
        self._closed = asyncio.Event()
        self._heart: asyncio.Task[None] | None = None

    async def subscribe(
        self, survey: str, links: DagsterLinks, last_event_id: str | None
    ) -> AsyncIterator[bytes] | None:
        """Return the events of a survey, or `None` where it has ended and `last_event_id` is its end's.

        Raises:
            NotFound: There is no such survey.
            Unavailable: Where the database does not answer.
            TooManyRequests: As many clients watch as there may be.
        """
        if sum(channel.clients for channel in self._watched.values()) >= self._capacity.watchers:
            raise TooManyRequests(
                f"{self._capacity.watchers} pages watch surveys here already: close some, or ask for the status."
            )
        channel = self._watched.get(survey)
        if channel is None or channel.end is not None:
            # one that ended may have been taken up again
            fresh = channel or _WatchedSurvey(survey)
            seen, fresh.read_s = await self._read(survey)
            fresh.take(seen)
            channel = self._watched.setdefault(survey, fresh)
        end = channel.end
        if end is not None and end[0] == last_event_id:
            return None
        channel.watched_at = time.monotonic()
        if self._heart is None:
            self._heart = asyncio.create_task(self._beat())
        if channel.looks is None or channel.looks.done():
            channel.looks = asyncio.create_task(self._keep_looking(channel))
        epoch, _, number = (last_event_id or "").rpartition("-")
        resumes = epoch == channel.epoch and number.isascii() and number.isdigit()
        return self._stream(channel, links, int(number[:9]) if resumes else None)

    def close(self) -> None:
        """End every stream; clients ask again and find the process that serves then."""
        self._closed.set()
        self._hub.close()
        if self._heart is not None:
            self._heart.cancel()
        for channel in self._watched.values():
            channel.wake()

    async def _stream(self, channel: _WatchedSurvey, links: DagsterLinks, after: int | None) -> AsyncIterator[bytes]:
        channel.clients += 1
        sent: int | None = None
        trouble: ImageFlowError | None = None
        beats = channel.beats
        try:
            while not self._closed.is_set():
                changed = channel.changed
                if channel.trouble is not None and channel.trouble is not trouble:
                    trouble = channel.trouble
                    yield _event("trouble", _trouble(trouble).model_dump_json(), None)
                elif channel.number != sent and not channel.deleted and channel.trouble is None:
                    event = _progress(channel, links, after if sent is None else sent)
                    sent, beats = channel.number, channel.beats
                    yield event
                    continue  # while that was sent, more may have come
                end = channel.end
                if end is not None:
                    yield _event("end", json.dumps({"state": end[1]}), end[0])
                    return
                if channel.beats != beats:
                    beats = channel.beats
                    yield b": still here\n\n"
                    continue
                await changed.wait()
        finally:
            channel.clients -= 1
            channel.watched_at = time.monotonic()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._beat_s)
            for channel in self._watched.values():
                channel.beat()

    async def _keep_looking(self, channel: _WatchedSurvey) -> None:
        while self._is_watched(channel):
            try:
                with await self._hub.follow(subject_of(channel.survey)) as following:
                    await self._look_on(channel, following)
            except EventsForgotten:
                continue  # so much was missed that all is read again
            except DatabaseUnavailable:
                await self._look(channel)  # which wakes its clients
                await asyncio.sleep(_RETRY_S)
            except Unavailable:
                return
            except Exception:  # noqa: BLE001 - logged with its traceback; pages are served by polling meanwhile
                _LOG.exception("%s is watched, but its events cannot be read", channel.survey)
                await self._look(channel)
                await asyncio.sleep(_RETRY_S)
        if self._watched.get(channel.survey) is channel:
            del self._watched[channel.survey]

    async def _look_on(self, channel: _WatchedSurvey, following: Following) -> None:
        while self._is_watched(channel):
            while await following.next(0):
                pass  # one look sees all that has happened
            await self._look(channel)
            await asyncio.sleep(_REST * channel.read_s)
            await following.next(_RETRY_S if channel.trouble else _POLL_S)

    def _is_watched(self, channel: _WatchedSurvey) -> bool:
        is_left = not channel.clients and time.monotonic() - channel.watched_at > _LINGER_S
        return channel.end is None and not is_left and not self._closed.is_set()

    async def _look(self, channel: _WatchedSurvey) -> None:
        try:
            seen, channel.read_s = await self._read(channel.survey)
            channel.take(seen)
        except NotFound:
            channel.deleted = True
            channel.wake()
        except ImageFlowError as error:
            _LOG.warning("%s is watched, but cannot be read: %s", channel.survey, error)
            if channel.trouble is None:
                channel.trouble = error
                channel.wake()
        except Exception:  # noqa: BLE001 - logged in full, and looked at again
            _LOG.exception("%s is watched, but cannot be read", channel.survey)

    async def _read(self, survey: str) -> tuple[SurveyProgress, float]:
        """Return how a survey stands, and the seconds that it took to read, without those of waiting for a turn."""

        def read() -> tuple[SurveyProgress, float]:
            begun = time.monotonic()
            return read_progress(self._stores, survey), time.monotonic() - begun

        return await to_thread.run_sync(read, limiter=self._capacity.progress_reads)


def _progress(channel: _WatchedSurvey, links: DagsterLinks, after: int | None) -> bytes:
    seen = channel.seen
    assert seen is not None  # noqa: S101 - a channel is read before anybody gets it
    if (after, links) not in channel.rendered:
        missed = channel.missed(after)
        blocks = list(seen.blocks) if missed is None else missed
        event = ProgressEvent.of(seen, blocks, links, full=missed is None)
        channel.rendered[after, links] = _event(
            "progress", event.model_dump_json(), f"{channel.epoch}-{channel.number}"
        )
    return channel.rendered[after, links]


def _trouble(error: ImageFlowError) -> TroubleEvent:
    return TroubleEvent(code=answer_for(error).code, message=str(error))


def _event(name: str, data: str, event_id: str | None) -> bytes:
    """Spell one server-sent event (WHATWG HTML, section 9.2); JSON holds no bare line ends."""
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {name}\ndata: {data}\n\n".encode()
