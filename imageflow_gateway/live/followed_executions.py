"""Events of executions, and their log lines, to clients as server-sent events."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial
from uuid import UUID

from anyio import to_thread

from imageflow_clients.stores import Stores
from imageflow_domain.events import EventCursor, LoggedEvent
from imageflow_domain.execution_events import subject_of
from imageflow_domain.execution_logs import BEGINNING_OF_LOG, ExecutionLine, LogCursor
from imageflow_edge.changes import changes
from imageflow_edge.hub import Hub
from imageflow_edge.log_tail import log_tail
from imageflow_edge.places import placed
from imageflow_executions.history import ExecutionInFull, get_execution
from imageflow_executions.logs import LogPage, read_log
from imageflow_gateway.capacity import Capacity
from imageflow_gateway.live.executions_schema import ExecutionSnapshot
from imageflow_gateway.log_lines import LogLineEntry

_BEAT_S = 15.0
"""A quiet connection gets a comment so often: proxies and browsers end those that get nothing."""

_LINES = 1_000
"""Read at once."""

_BEAT = b": still here\n\n"
_FULL = "{} clients follow executions here already: ask for the execution itself, or follow it later."


class FollowedExecutions:
    """Follows executions for any number of clients, none of which holds a connection to the database."""

    def __init__(self, stores: Stores, capacity: Capacity, hub: Hub) -> None:
        self._stores = stores
        self._capacity = capacity
        self._hub = hub

    async def subscribe(self, execution: UUID, last_event_id: str | None) -> AsyncIterator[bytes] | None:
        """Return an execution's events as server-sent ones, or `None` where a client has seen its end.

        A client that comes back with the id of its last event gets what came after it, and a snapshot where that is
        not kept any more.

        Raises:
            NotFound: There is no such execution.
            DatabaseUnavailable: The database does not answer.
            TooManyRequests: As many clients follow executions as may.
        """
        found = await self._read(execution)
        seen = EventCursor.parse(last_event_id or "")
        if seen is not None and found.is_end and seen >= found.cursor:
            return None
        return await _begun(self._events(execution, found if seen is None else seen))

    async def subscribe_to_log(self, execution: UUID, last_event_id: str | None) -> AsyncIterator[bytes] | None:
        """Return an execution's log lines as server-sent events, or `None` where a client has seen the last one.

        A client that comes back with the id of its last line gets the lines after it. Raises as `subscribe` does.
        """
        seen = LogCursor.parse(last_event_id or "")
        if seen is not None:
            page = await self._read_log(execution, 1, seen)
            if page.is_end and not page.lines:
                return None
        else:
            await self._read(execution)  # whether it is there
        return await _begun(self._lines(execution, seen or BEGINNING_OF_LOG))

    async def _read(self, execution: UUID) -> ExecutionInFull:
        return await to_thread.run_sync(get_execution, self._stores, execution, limiter=self._capacity.progress_reads)

    async def _read_log(self, execution: UUID, limit: int, after: LogCursor) -> LogPage:
        read = partial(read_log, self._stores, execution, after=after, limit=limit)
        return await to_thread.run_sync(read, limiter=self._capacity.progress_reads)

    async def _events(self, execution: UUID, begin: ExecutionInFull | EventCursor) -> AsyncGenerator[bytes]:
        with placed(self._capacity.execution_followers, _FULL):
            yield b""
            read = partial(self._read, execution)
            following = changes(self._hub, subject_of(execution), read, begin=begin, beat_s=_BEAT_S)
            async with aclosing(following):
                async for one in following:
                    yield _spelled(one)

    async def _lines(self, execution: UUID, after: LogCursor) -> AsyncGenerator[bytes]:
        with placed(self._capacity.execution_followers, _FULL):
            yield b""
            read = partial(self._read_log, execution, _LINES)
            async with aclosing(log_tail(self._hub, execution, read, after=after, beat_s=_BEAT_S)) as following:
                async for page in following:
                    yield _BEAT if page is None else b"".join(map(_spelled_line, page.lines))


async def _begun(stream: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """Return a stream that has taken its place, or raise that there is none.

    One that has begun releases its place also where its client leaves before the first event.
    """
    await anext(stream)
    return stream


def _spelled(one: ExecutionInFull | LoggedEvent | None) -> bytes:
    """Spell one server-sent event (WHATWG HTML, section 9.2); JSON holds no bare line ends."""
    match one:
        case None:
            return _BEAT
        case ExecutionInFull():
            data = ExecutionSnapshot.of(one).model_dump_json()
            return f"id: {one.cursor}\nevent: snapshot\ndata: {data}\n\n".encode()
        case LoggedEvent():
            data = json.dumps({**one.event.data, "at": one.created_at.isoformat()}, ensure_ascii=False)
            return f"id: {one.cursor}\nevent: {one.event.kind}\ndata: {data}\n\n".encode()


def _spelled_line(line: ExecutionLine) -> bytes:
    return f"id: {line.cursor}\nevent: line\ndata: {LogLineEntry.of(line).model_dump_json()}\n\n".encode()
