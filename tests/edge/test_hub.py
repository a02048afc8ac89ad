"""The hub over a real event log: nothing is lost, nothing comes twice, order is kept, in every failure."""

import asyncio
import signal
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, text

from imageflow_clients.database.core import event_positions, events
from imageflow_clients.database.core.engine import Database, migrate_database, open_database
from imageflow_clients.database.core.event_reading import Reader
from imageflow_clients.settings import Settings
from imageflow_domain.errors import DatabaseUnavailable, EventsForgotten, Unavailable
from imageflow_domain.events import BEGINNING, Event, EventCursor
from imageflow_edge.hub import Following, Hub
from services.postgres import Postgres
from tests.clients.test_event_log import log_of_another_version
from tests.thorough import repeated

PATIENCE_S = 60.0
_SLOW_S = repeated(0.0, 66.0)
"""Of a slow client. In the soak, longer than the 60 s after which the hub drops a subject without readers."""


@pytest.fixture
def database(databases: Callable[[], SecretStr], tmp_path: Path) -> Iterator[Database]:
    with open_database(Settings(home=tmp_path, database_url=databases())) as opened:
        yield opened


def log(database: Database, subject: str, *numbers: int) -> None:
    with database.begin() as connection:
        for number in numbers:
            events.append(connection, Event(subject=f"survey/{subject}", kind="block", data={"number": number}))


async def later(work: Callable[..., None], *arguments: Any) -> None:
    await asyncio.to_thread(work, *arguments)


async def heard(following: Following, count: int) -> list[int]:
    """Return the numbers of the next events, which must be so many and no more."""
    got: list[int] = []
    until = time.monotonic() + PATIENCE_S
    while len(got) < count:
        assert time.monotonic() < until, f"only {len(got)} of {count} came"
        got += [int(str(one.event.data["number"])) for one in await following.next(1)]
    return got


def in_loop(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 5 * PATIENCE_S))


def test_a_thousand_followers_hear_everything_once_in_order_over_one_connection(database: Database) -> None:
    async def follow() -> None:
        hub = Hub(database)
        followings = [await hub.follow(f"survey/{'ab'[number % 2]}") for number in range(1_000)]
        listening = [asyncio.create_task(heard(one, 30)) for one in followings]
        for number in range(30):
            await later(log, database, "a", number)
            await later(log, database, "b", 100 + number)
        told = await asyncio.gather(*listening)
        assert told[::2] == [list(range(30))] * 500
        assert told[1::2] == [list(range(100, 130))] * 500
        assert await asyncio.to_thread(_listening, database) == 1
        assert [await one.next(0.01) for one in followings[:3]] == [(), (), ()]
        hub.close()

    in_loop(follow())


def _listening(database: Database) -> int:
    query = text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()")
    with database.begin() as connection:
        return int(connection.execute(query).scalar_one())


def test_an_event_of_another_version_holds_up_no_follower(database: Database) -> None:
    async def follow() -> None:
        hub = Hub(database)
        with await hub.follow("survey/a") as following:
            await asyncio.to_thread(log_of_another_version, database)
            await later(log, database, "a", 0)
            assert await heard(following, 1) == [0]
        hub.close()

    in_loop(follow())


def test_a_slow_follower_loses_nothing_and_delays_nobody(database: Database) -> None:
    total = 2_400  # more than the hub remembers

    async def follow() -> None:
        hub = Hub(database)
        with await hub.follow("survey/a") as slow, await hub.follow("survey/a") as quick:
            for begin in range(0, total, 300):
                await later(log, database, "a", *range(begin, begin + 300))
                assert await heard(quick, 300) == list(range(begin, begin + 300))
            assert await heard(slow, total) == list(range(total))
            await later(log, database, "a", total)
            assert await heard(slow, 1) == await heard(quick, 1) == [total]
        hub.close()

    in_loop(follow())


def test_a_client_goes_on_at_another_hub_where_it_was(database: Database) -> None:
    async def follow(after: EventCursor | None, expected: list[int], missed: int) -> EventCursor:
        hub = Hub(database)
        following = await hub.follow("survey/a", after)
        if after is None:
            await later(log, database, "a", *expected)
        assert await heard(following, len(expected)) == expected
        hub.close()  # as a process that is killed: the next event reaches no hub
        await later(log, database, "a", missed)
        return following.cursor

    cursor = asyncio.run(follow(None, [0, 1], 2))
    cursor = asyncio.run(follow(cursor, [2], 3))
    asyncio.run(follow(cursor, [3], 4))
    asyncio.run(follow(BEGINNING, [0, 1, 2, 3, 4], 5))


def test_a_transaction_that_stays_open_delays_no_follower_and_its_events_come(database: Database) -> None:
    async def follow() -> None:
        hub = Hub(database)
        a, b = await hub.follow("survey/a"), await hub.follow("survey/b")
        with database.begin() as connection:
            connection.execute(text("SELECT txid_current()"))
            events.append(connection, Event(subject="survey/a", kind="block", data={"number": 2}))
            for number in (0, 1):
                await later(log, database, "a", number)
                await later(log, database, "b", number)
                await asyncio.sleep(_SLOW_S / 2)
            assert await heard(a, 2) == await heard(b, 2) == [0, 1]
        assert await heard(a, 1) == [2]
        hub.close()

    in_loop(follow())


def test_followers_outlive_a_restart_of_postgresql(postgres: Postgres, tmp_path: Path) -> None:
    name = f"test_{uuid.uuid4().hex}"
    postgres.create_database(name)
    settings = Settings(home=tmp_path, database_url=SecretStr(postgres.url(name)))
    migrate_database(settings)

    async def follow(database: Database) -> None:
        hub = Hub(database)
        following = await hub.follow("survey/a")
        await later(log, database, "a", 0)
        assert await heard(following, 1) == [0]
        await later(log, database, "a", 1)
        await asyncio.to_thread(postgres.stop, signal.SIGQUIT)
        await asyncio.sleep(1.5)  # the hub finds out
        postgres.start()  # on this thread: the server ends with the thread that starts it
        await later(log, database, "a", 2)
        assert await heard(following, 2) == [1, 2]
        hub.close()

    with open_database(settings, patience_s=PATIENCE_S) as database:
        in_loop(follow(database))


def test_a_hub_whose_connection_is_cut_hears_on(database: Database) -> None:
    cut = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")

    def kill_listener() -> None:
        with database.begin() as connection:
            assert connection.execute(cut).scalars().all()

    async def follow() -> None:
        hub = Hub(database)
        following = await hub.follow("survey/a")
        for number in range(3):
            while not await asyncio.to_thread(_listening, database):
                await asyncio.sleep(0.05)
            await later(kill_listener)
            await later(log, database, "a", number)
            assert await heard(following, 1) == [number]
        hub.close()

    in_loop(follow())


def test_a_subject_that_is_deleted_and_made_again_is_followed_on(database: Database) -> None:
    def delete() -> None:
        with database.begin() as connection:
            events.append(connection, Event(subject="survey/a", kind=events.DELETED, data={"number": 9}))

    async def follow() -> None:
        hub = Hub(database)
        following = await hub.follow("survey/a")
        await later(log, database, "a", 0)
        await later(delete)
        assert await heard(following, 2) == [0, 9]
        ended = following.cursor
        await later(log, database, "a", 1)
        assert await heard(following, 1) == [1]
        assert following.cursor.epoch > ended.epoch
        with await hub.follow("survey/a", ended) as other:
            assert await heard(other, 1) == [1]
        hub.close()

    in_loop(follow())


def test_a_follower_from_before_what_is_kept_is_told_so(database: Database) -> None:
    log(database, "a", 0, 1, 2)
    with database.begin() as connection:
        event_positions.stamp(connection)
        for reader in Reader:  # which read nothing here
            event_positions.forget_reader(connection, reader)
    with database.begin() as connection:
        event_positions.forget_old(connection, timedelta(0))

    async def follow() -> None:
        hub = Hub(database)
        with (
            await hub.follow("survey/a", BEGINNING) as following,
            pytest.raises(EventsForgotten, match="read its current state"),
        ):
            await following.next(1)
        with await hub.follow("survey/a") as following:
            await later(log, database, "a", 3)
            assert await heard(following, 1) == [3]
        hub.close()

    in_loop(follow())


def lose_the_place(database: Database) -> None:
    """Leave no event behind the place of any reader, as a restore of another database does."""
    with database.begin() as connection:
        event_positions.stamp(connection)
    with database.begin() as connection:
        connection.execute(text("UPDATE events SET position = position + 1000"))


def test_a_hub_that_lost_its_place_while_the_database_fails_reads_on_once_it_is_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    last_position = event_positions.last_position
    failures = [DatabaseUnavailable("The database failed."), RuntimeError("It is broken.")]

    def fail_twice(connection: Connection) -> int:
        if failures:
            raise failures.pop()
        return last_position(connection)

    async def follow() -> None:
        hub = Hub(database)
        following = await hub.follow("survey/a")
        await later(log, database, "a", 0)
        assert await heard(following, 1) == [0]
        monkeypatch.setattr(event_positions, "last_position", fail_twice)
        await later(lose_the_place, database)
        await later(log, database, "a", 1)
        with pytest.raises(EventsForgotten):
            await heard(following, 2)  # the last of which it cannot hear
        assert not failures
        with await hub.follow("survey/a") as again:
            await later(log, database, "a", 2)
            assert await heard(again, 1) == [2]
        hub.close()

    in_loop(follow())


def test_who_begins_to_follow_while_the_hub_finds_its_place_again_misses_nothing_unknowingly(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, goes_on = _held_up(monkeypatch)

    async def follow() -> None:
        hub = Hub(database)
        goes_on.set()
        await hub.follow("survey/b")
        asked.clear()
        goes_on.clear()
        await later(log, database, "b", 0)
        await later(lose_the_place, database)
        await later(log, database, "b", 1)
        await asyncio.to_thread(asked.wait)
        following = await hub.follow("survey/a")
        await later(log, database, "a", 0)
        with database.begin() as connection:
            event_positions.stamp(connection)
        goes_on.set()
        with pytest.raises(EventsForgotten):
            await following.next(5)
        hub.close()

    in_loop(follow())


def _held_up(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Hold the question for the newest position up; return an event that it was asked, and one that lets it go on."""
    last_position = event_positions.last_position
    asked, goes_on = threading.Event(), threading.Event()

    def wait(connection: Connection) -> int:
        asked.set()
        goes_on.wait()
        return last_position(connection)

    monkeypatch.setattr(event_positions, "last_position", wait)
    return asked, goes_on


def test_a_hub_that_is_closed_while_somebody_begins_to_follow_reads_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, goes_on = _held_up(monkeypatch)

    async def follow() -> None:
        before = asyncio.all_tasks()
        hub = Hub(database)
        begins = asyncio.create_task(hub.follow("survey/a"))
        await asyncio.to_thread(asked.wait)
        hub.close()
        goes_on.set()
        with pytest.raises(Unavailable, match="stops"):
            await begins
        assert asyncio.all_tasks() <= before

    in_loop(follow())


def test_a_reader_that_died_is_replaced_where_it_was_when_somebody_follows(database: Database) -> None:
    async def follow() -> None:
        before = asyncio.all_tasks()
        hub = Hub(database)
        first = await hub.follow("survey/a")
        (reader,) = asyncio.all_tasks() - before
        reader.cancel()
        await asyncio.wait({reader})
        await later(log, database, "a", 0)
        second = await hub.follow("survey/a", BEGINNING)
        assert await heard(first, 1) == await heard(second, 1) == [0]
        hub.close()

    in_loop(follow())


def test_a_closed_hub_ends_every_following_at_once(database: Database) -> None:
    async def follow() -> None:
        hub = Hub(database)
        waits = asyncio.create_task((await hub.follow("survey/a")).next(PATIENCE_S))
        await asyncio.sleep(0.1)
        hub.close()
        with pytest.raises(Unavailable, match="stops"):
            await asyncio.wait_for(waits, 5)
        with pytest.raises(Unavailable, match="stops"):
            await hub.follow("survey/a")

    in_loop(follow())


def test_a_hub_that_nobody_follows_reads_nothing_and_begins_again(database: Database) -> None:
    async def follow() -> None:
        hub = Hub(database, linger_s=0.1)
        for number in range(2):
            with await hub.follow("survey/a") as following:
                await later(log, database, "a", number)
                assert await heard(following, 1) == [number]
            until = time.monotonic() + PATIENCE_S
            while await asyncio.to_thread(_listening, database):
                assert time.monotonic() < until, "the hub reads on"
                await asyncio.sleep(0.1)
            await later(log, database, "a", 7)
        hub.close()

    in_loop(follow())
