"""Events of executions to clients: first how it stands, then every change once, in order, until it has ended."""

import asyncio
import json
from collections.abc import AsyncIterator
from uuid import UUID

from anyio import to_thread

from imageflow_clients.stores import Stores
from imageflow_domain.errors import DatabaseUnavailable, EventsForgotten, TooManyRequests, Unavailable
from imageflow_domain.events import EventCursor, LoggedEvent
from imageflow_domain.execution_events import subject_of
from imageflow_edge.hub import Following, Hub
from imageflow_executions.history import ExecutionInFull, get_execution
from imageflow_gateway.capacity import Capacity
from imageflow_gateway.execution_wait import is_end
from imageflow_gateway.live.executions_schema import ExecutionSnapshot

_BEAT_S = 15.0
"""A quiet connection gets a comment so often: proxies and browsers end those that get nothing."""

_RETRY_S = 1.0


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
        if not self._capacity.execution_followers.available_tokens:
            raise TooManyRequests(
                f"{self._capacity.execution_followers.total_tokens:.0f} clients follow executions here already: ask "
                "for the execution itself, or follow it later."
            )
        found = await self._read(execution)
        seen = EventCursor.parse(last_event_id or "")
        if seen is not None and found.record.state.is_end and seen >= found.cursor:
            return None
        return self._stream(execution, found, seen)

    async def _read(self, execution: UUID) -> ExecutionInFull:
        return await to_thread.run_sync(get_execution, self._stores, execution, limiter=self._capacity.progress_reads)

    async def _stream(self, execution: UUID, found: ExecutionInFull, seen: EventCursor | None) -> AsyncIterator[bytes]:
        place = object()
        await self._capacity.execution_followers.acquire_on_behalf_of(place)
        try:
            snapshot: ExecutionInFull | None = found if seen is None else None
            while True:
                try:
                    if snapshot is not None:
                        yield _snapshot(snapshot)
                        seen = snapshot.cursor
                        if snapshot.record.state.is_end:
                            return
                    with await self._hub.follow(subject_of(execution), after=seen) as following:
                        async for event in _events(following):
                            yield event
                            seen = following.cursor
                        return
                except EventsForgotten:
                    snapshot = await self._read(execution)
                except DatabaseUnavailable:
                    snapshot = None
                    yield b": the database does not answer\n\n"
                    await asyncio.sleep(_RETRY_S)
                except Unavailable:
                    return  # this process stops: the client asks again
        finally:
            self._capacity.execution_followers.release_on_behalf_of(place)


async def _events(following: Following) -> AsyncIterator[bytes]:
    """Yield events until one is the end."""
    while True:
        some = await following.next(_BEAT_S)
        if not some:
            yield b": still here\n\n"
        for one in some:
            yield _spelled(one)
            if is_end(one):
                return


def _spelled(one: LoggedEvent) -> bytes:
    """Spell one server-sent event (WHATWG HTML, section 9.2); JSON holds no bare line ends."""
    data = json.dumps({**one.event.data, "at": one.created_at.isoformat()}, ensure_ascii=False)
    return f"id: {one.cursor}\nevent: {one.event.kind}\ndata: {data}\n\n".encode()


def _snapshot(found: ExecutionInFull) -> bytes:
    data = ExecutionSnapshot.of(found).model_dump_json()
    return f"id: {found.cursor}\nevent: snapshot\ndata: {data}\n\n".encode()
