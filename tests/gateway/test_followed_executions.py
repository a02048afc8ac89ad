"""Places of clients that follow executions as server-sent events."""

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from anyio import CapacityLimiter

from imageflow_clients.stores import Stores
from imageflow_domain.errors import TooManyRequests
from imageflow_edge.hub import Hub
from imageflow_executions.history import cancel_execution
from imageflow_gateway.capacity import Capacity
from imageflow_gateway.live.followed_executions import FollowedExecutions
from tests.executions.starts import started

pytestmark = pytest.mark.usefixtures("live_pipeline")


@pytest.fixture
def waiting(stores: Stores) -> Iterator[uuid.UUID]:
    """An execution that no engine takes."""
    record = started(stores)
    yield record.id
    cancel_execution(stores, record.id)


def test_of_many_clients_at_once_as_many_get_a_place_as_there_are(stores: Stores, waiting: uuid.UUID) -> None:
    async def follow() -> None:
        capacity, hub = Capacity(execution_followers=CapacityLimiter(2)), Hub(stores.database)
        following = FollowedExecutions(stores, capacity, hub)
        asked = [following.subscribe(waiting, None) for _ in range(6)]
        found: list[Any] = await asyncio.gather(*asked, return_exceptions=True)
        refused = [each for each in found if isinstance(each, TooManyRequests)]
        streams = [each for each in found if not isinstance(each, BaseException)]
        assert (len(refused), len(streams)) == (4, 2)
        for stream in streams:
            assert (await anext(stream)).startswith(b"id: ")
            await stream.aclose()
        assert capacity.execution_followers.borrowed_tokens == 0
        # A client that leaves before its first event.
        unread: Any = await following.subscribe(waiting, None)
        assert capacity.execution_followers.borrowed_tokens == 1
        await unread.aclose()
        assert capacity.execution_followers.borrowed_tokens == 0
        hub.close()

    asyncio.run(follow())
