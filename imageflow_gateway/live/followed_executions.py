"""Events of executions to clients as server-sent events."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial
from uuid import UUID

from anyio import WouldBlock, to_thread

from imageflow_clients.stores import Stores
from imageflow_domain.errors import TooManyRequests
from imageflow_domain.events import EventCursor, LoggedEvent
from imageflow_domain.execution_events import subject_of
from imageflow_edge.changes import changes
from imageflow_edge.hub import Hub
from imageflow_executions.history import ExecutionInFull, get_execution
from imageflow_gateway.capacity import Capacity
from imageflow_gateway.live.executions_schema import ExecutionSnapshot

_BEAT_S = 15.0
"""A quiet connection gets a comment so often: proxies and browsers end those that get nothing."""


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
        stream = self._stream(execution, found if seen is None else seen)
        await anext(stream)  # takes its place
        return stream

    async def _read(self, execution: UUID) -> ExecutionInFull:
        return await to_thread.run_sync(get_execution, self._stores, execution, limiter=self._capacity.progress_reads)

    async def _stream(self, execution: UUID, begin: ExecutionInFull | EventCursor) -> AsyncGenerator[bytes]:
        """Take a place and yield nothing, then yield events; raise `TooManyRequests` where no place is free."""
        places, place = self._capacity.execution_followers, object()
        try:
            places.acquire_on_behalf_of_nowait(place)
        except WouldBlock:
            raise TooManyRequests(
                f"{places.total_tokens:.0f} clients follow executions here already: ask for the execution itself, or "
                "follow it later."
            ) from None
        try:
            # A generator that has begun releases its place also where its client leaves before the first event.
            yield b""
            read = partial(self._read, execution)
            following = changes(self._hub, subject_of(execution), read, begin=begin, beat_s=_BEAT_S)
            async with aclosing(following):
                async for one in following:
                    yield _spelled(one)
        finally:
            places.release_on_behalf_of(place)


def _spelled(one: ExecutionInFull | LoggedEvent | None) -> bytes:
    """Spell one server-sent event (WHATWG HTML, section 9.2); JSON holds no bare line ends."""
    match one:
        case None:
            return b": still here\n\n"
        case ExecutionInFull():
            data = ExecutionSnapshot.of(one).model_dump_json()
            return f"id: {one.cursor}\nevent: snapshot\ndata: {data}\n\n".encode()
        case LoggedEvent():
            data = json.dumps({**one.event.data, "at": one.created_at.isoformat()}, ensure_ascii=False)
            return f"id: {one.cursor}\nevent: {one.event.kind}\ndata: {data}\n\n".encode()
