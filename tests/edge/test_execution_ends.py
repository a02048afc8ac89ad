import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from imageflow_clients.database.executions import attempts, queue
from imageflow_clients.database.executions.attempts import Ending
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.executions import ExecutionState, new_id
from imageflow_edge.execution_ends import ExecutionEnds
from imageflow_executions.history import cancel_execution
from imageflow_executions.months import prepare_months
from tests.executions.starts import started


@pytest.fixture
def stores(tmp_path: Path, databases: Callable[[], SecretStr]) -> Iterator[Stores]:
    with (opened := open_stores(Settings(home=tmp_path, database_url=databases()))).database:
        prepare_months(opened)
        yield opened


def complete(stores: Stores) -> None:
    with stores.database.begin() as connection:
        record = queue.claim(connection, "first", lease=timedelta(seconds=60))
    assert record is not None
    with stores.database.begin() as connection:
        assert attempts.write(connection, [], [Ending(record=record, state=ExecutionState.COMPLETED)])


def test_those_who_wait_are_woken_by_every_way_to_end(stores: Stores) -> None:
    async def wait() -> None:
        ends = ExecutionEnds(stores.database)
        assert not await ends.within(new_id(), 0.3)  # the connection listens from here on
        cancelled, completed = started(stores).id, started(stores).id
        waiting = [asyncio.create_task(ends.within(each, 30)) for each in (cancelled, completed, completed)]
        await asyncio.sleep(0)
        await asyncio.to_thread(cancel_execution, stores, cancelled)
        await asyncio.to_thread(complete, stores)
        assert await asyncio.gather(*waiting) == [True, True, True]
        ends.close()

    asyncio.run(wait())


def test_one_that_ended_before_it_was_waited_for_is_known(stores: Stores) -> None:
    async def wait() -> None:
        before, ends = started(stores).id, ExecutionEnds(stores.database)
        await asyncio.to_thread(complete, stores)
        assert await ends.within(before, 30)  # by the first look at the database
        after = started(stores).id
        await asyncio.to_thread(complete, stores)
        assert await ends.within(after, 30)
        ends.close()

    asyncio.run(wait())


def test_a_lost_connection_delays_an_end_and_loses_none(stores: Stores) -> None:
    async def wait() -> None:
        execution, ends = started(stores).id, ExecutionEnds(stores.database)
        waiting = asyncio.create_task(ends.within(execution, 30))
        await asyncio.sleep(0.5)
        with stores.database.begin() as connection:
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            connection.execute(text(f"{others} AND datname = current_database()"))
        await asyncio.to_thread(complete, stores)
        assert await waiting
        ends.close()

    asyncio.run(wait())


def test_a_process_that_stops_lets_nobody_wait(stores: Stores) -> None:
    async def wait() -> None:
        ends = ExecutionEnds(stores.database)
        waiting = asyncio.create_task(ends.within(new_id(), 30))
        await asyncio.sleep(0.1)
        ends.close()
        assert not await waiting
        assert not await ends.within(new_id(), 30)

    asyncio.run(wait())
