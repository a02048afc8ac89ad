"""The event log on a real PostgreSQL: what is kept, in which order it is read, and by whom it is read once."""

import json
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, insert, text
from sqlalchemy.exc import IntegrityError

from imageflow_clients.database.core import event_positions, events
from imageflow_clients.database.core.engine import Database, migrate_database, open_database
from imageflow_clients.database.core.event_reading import Reader
from imageflow_clients.database.core.schema import events as table
from imageflow_clients.database.core.waking import Bell
from imageflow_clients.settings import Settings
from imageflow_domain.errors import DatabaseUnavailable, EventsForgotten, InvalidInput, NotReady
from imageflow_domain.events import BEGINNING, MOST_BYTES, Event, EventCursor, LoggedEvent
from services.postgres import Postgres


@pytest.fixture
def database(databases: Callable[[], SecretStr], tmp_path: Path) -> Iterator[Database]:
    with open_database(Settings(home=tmp_path, database_url=databases())) as opened:
        with opened.begin() as connection:
            for reader in Reader:  # whose events are none of these tests'
                event_positions.forget_reader(connection, reader)
        yield opened


def wait_often(bell: Bell) -> None:
    for _ in range(3):
        bell.wait(1)


def happened(subject: str, number: int = 0) -> Event:
    return Event(subject=f"survey/{subject}", kind="block", data={"number": number})


def log(database: Database, *told: Event) -> None:
    with database.begin() as connection:
        for event in told:
            events.append(connection, event)


def stamped(database: Database, after: int = 0) -> tuple[LoggedEvent, ...]:
    with database.begin() as connection:
        event_positions.stamp(connection)
    with database.begin() as connection:
        return event_positions.read_all(connection, after=after, limit=10_000)


def of(database: Database, subject: str, after: EventCursor = BEGINNING, limit: int = 100) -> tuple[LoggedEvent, ...]:
    with database.begin() as connection:
        return events.read_subject(connection, f"survey/{subject}", after=after, limit=limit)


def log_then_fail(database: Database) -> None:
    with database.begin() as connection:
        events.append(connection, happened("a"))
        raise NotReady("later")


def log_then_write(database: Database, **row: object) -> None:
    with database.begin() as connection:
        events.append(connection, happened("a"))
        connection.execute(insert(table).values(row))


def numbers(found: tuple[LoggedEvent, ...]) -> list[object]:
    return [one.event.data["number"] for one in found]


def test_a_subjects_events_are_read_in_order_from_any_place(database: Database) -> None:
    log(database, *(happened("a", number) for number in range(3)), happened("b"))
    log(database, happened("a", 3))
    found = of(database, "a")
    assert numbers(found) == [0, 1, 2, 3]
    assert [one.cursor.seq for one in found] == [1, 2, 3, 4]
    assert len({one.cursor.epoch for one in found}) == 1
    assert numbers(of(database, "a", found[1].cursor)) == [2, 3]
    assert numbers(of(database, "a", found[1].cursor, limit=1)) == [2]
    assert of(database, "a", found[3].cursor) == of(database, "nobody") == ()
    assert EventCursor.parse(str(found[1].cursor)) == found[1].cursor
    assert EventCursor.parse("1-x") is None


def test_an_event_is_logged_with_its_transaction_or_not_at_all(database: Database) -> None:
    with pytest.raises(NotReady):
        log_then_fail(database)
    with pytest.raises(IntegrityError, match="data_small"):
        log_then_write(database, subject="survey/b", epoch=1, seq=1, kind="block", data="x" * MOST_BYTES)
    log(database)
    assert of(database, "a") == ()
    with database.begin() as connection:
        events.append(connection, happened("a"))
        assert events.head(connection, "survey/a") == BEGINNING, "events are the last thing that a transaction does"
    assert len(of(database, "a")) == 1


def test_the_longest_data_that_an_event_may_have_is_kept(database: Database) -> None:
    data = {"name": '市役所\n"\\', "at": [1, 0.25, None, {"x_px": True}], "note": ""}
    room = MOST_BYTES - len(json.dumps(data, ensure_ascii=False).encode())
    longest = Event(subject="survey/a", kind="block", data=data | {"note": "x" * room})
    log(database, longest)
    assert [one.event for one in of(database, "a")] == [longest]
    with pytest.raises(InvalidInput, match=r"'block' of 'survey/a' has 2,001 bytes of data.*\(name, at, note\)"):
        log(database, Event(subject="survey/a", kind="block", data=data | {"note": "x" * (room + 1)}))


def test_events_are_not_lost_on_a_connection_that_nobody_logs_from(database: Database) -> None:
    with database.engine.begin() as connection, pytest.raises(RuntimeError, match=r"Database\.begin"):
        events.append(connection, happened("a"))


@pytest.mark.parametrize(("subject", "kind"), [("", "block"), ("survey", "block"), ("survey/A", "block"), ("a/b", "")])
def test_subjects_and_kinds_have_one_form(database: Database, subject: str, kind: str) -> None:
    with pytest.raises(InvalidInput, match="no subject and kind"):
        log(database, Event(subject=subject, kind=kind))


def log_of_another_version(database: Database) -> Event:
    """Log an event whose subject, kind and size this version does not allow; return it."""
    foreign = Event(subject="Batch/17?picture=3", kind="Seen-Twice", data={"note": "x" * 2 * MOST_BYTES})
    row = {"subject": foreign.subject, "epoch": 1, "seq": 1, "kind": foreign.kind, "data": foreign.data}
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE events DROP CONSTRAINT ck_events_data_small"))
        connection.execute(insert(table).values(row))
    return foreign


def test_events_that_another_version_logged_are_read_as_they_are(database: Database) -> None:
    foreign = log_of_another_version(database)
    log(database, happened("a"))
    assert [one.event for one in stamped(database)] == [foreign, happened("a")]


def test_a_subject_that_is_made_again_begins_another_epoch(database: Database) -> None:
    with database.begin() as connection:
        for event in (happened("a", 0), Event(subject="survey/a", kind=events.DELETED, data={"number": 1})):
            events.append(connection, event)
    before = of(database, "a")
    with database.begin() as connection:
        at_end = events.head(connection, "survey/a")
    assert before[-1].cursor < at_end
    log(database, happened("a", 2))
    # once more within one transaction
    log(database, Event(subject="survey/a", kind=events.DELETED, data={"number": 3}), happened("a", 4))
    found = of(database, "a")
    assert numbers(found) == [0, 1, 2, 3, 4]
    assert [one.cursor.seq for one in found] == [1, 2, 1, 2, 1]
    assert len({one.cursor.epoch for one in found}) == 3
    assert found == tuple(sorted(found, key=lambda one: one.cursor))
    assert found[2:] == of(database, "a", at_end) == of(database, "a", before[-1].cursor)
    assert numbers(stamped(database)) == [0, 1, 2, 3, 4]


def test_transactions_over_several_subjects_in_any_order_never_wait_for_each_other_in_a_circle(
    database: Database,
) -> None:
    def both(number: int) -> None:
        for _ in range(20):
            log(database, *(happened(name, number) for name in ("ab" if number % 2 else "ba")))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(both, range(4)))
    for name in "ab":
        assert [one.cursor.seq for one in of(database, name)] == list(range(1, 81))


def test_a_transaction_that_stays_open_hides_nothing_and_its_events_come_after(database: Database) -> None:
    log(database, happened("a", 0))
    assert numbers(stamped(database)) == [0]
    with database.begin() as connection:
        connection.execute(text("SELECT txid_current()"))
        events.append(connection, happened("a", 2))
        # begun before all others, and committed after them
        log(database, happened("b", 1))
        log(database, happened("a", 1))
        others = stamped(database, after=1)
        assert numbers(others) == [1, 1]
    assert [(one.event.data["number"], one.position) for one in stamped(database, after=3)] == [(2, 4)]
    assert numbers(of(database, "a")) == [0, 1, 2]


def test_an_event_that_is_numbered_and_not_committed_holds_up_its_subject_alone(database: Database) -> None:
    """Another process stopped in the moment between the two, for as long as it likes."""
    open_one = database.engine.connect()
    with events.logged_at_end(open_one):
        events.append(open_one, happened("a", 0))
    log(database, happened("b", 1))
    assert numbers(stamped(database)) == [1]
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(log, database, happened("a", 2))
        log(database, happened("b", 3))
        assert numbers(stamped(database, after=1)) == [3]
        assert not waits.done()
        open_one.commit()
        open_one.close()
        waits.result(timeout=60)
    assert numbers(stamped(database, after=2)) == [0, 2]
    assert numbers(of(database, "a")) == [0, 2]


def test_several_stampers_give_each_event_one_position_that_keeps_each_subjects_order(database: Database) -> None:
    done = threading.Event()

    def write(name: str) -> None:
        for number in range(60):
            log(database, happened(name, number))

    def keep_stamping() -> None:
        while not done.is_set():
            with database.begin() as connection:
                event_positions.stamp(connection)

    with ThreadPoolExecutor(5) as pool:
        stampers = [pool.submit(keep_stamping) for _ in range(2)]
        writers = [pool.submit(write, name) for name in "abc"]
        read: list[LoggedEvent] = []
        while len(read) < 180 and not all(one.done() and one.exception() for one in writers):
            read += stamped(database, after=len(read))
        done.set()
        for one in (*writers, *stampers):
            one.result()
    assert [one.position for one in read] == list(range(1, 181))
    for name in "abc":
        assert numbers(tuple(one for one in read if one.event.subject == f"survey/{name}")) == list(range(60))


def test_two_readers_of_one_name_take_turns(database: Database) -> None:
    with database.begin() as connection:
        assert event_positions.position_of(connection, "one") == 0
    log(database, *(happened("a", number) for number in range(40)))
    stamped(database)
    heard: list[object] = []

    def read() -> None:
        for _ in range(20):
            with database.begin() as connection:
                position = event_positions.position_of(connection, "one")
                found = event_positions.read_all(connection, after=position, limit=2)
                heard.extend(numbers(found))
                event_positions.move(connection, "one", position + len(found))

    with ThreadPoolExecutor(2) as pool:
        for reader in [pool.submit(read), pool.submit(read)]:
            reader.result()
    assert heard == list(range(40))


def test_old_events_go_once_every_named_reader_is_done_with_them(database: Database) -> None:
    with database.begin() as connection:
        for reader in ("slow", "fast"):
            event_positions.position_of(connection, reader)
    log(database, *(happened("a", number) for number in range(4)))
    log(database, Event(subject="survey/b", kind=events.DELETED, data={"number": 4}))
    found = stamped(database)
    log(database, happened("a", 5))  # nobody stamped it yet

    def forget(age: timedelta) -> int:
        with database.begin() as connection:
            return event_positions.forget_old(connection, age)

    with database.begin() as connection:
        event_positions.move(connection, "fast", 5)
        event_positions.move(connection, "slow", 2)
    time.sleep(0.01)
    assert forget(timedelta(hours=1)) == 0
    assert forget(timedelta(0)) == 2
    assert numbers(stamped(database, after=2)) == [2, 3, 4, 5]
    with pytest.raises(EventsForgotten, match="position 1 "):
        stamped(database, after=1)
    assert numbers(of(database, "a", found[1].cursor)) == [2, 3, 5]
    for too_early in (BEGINNING, found[0].cursor):
        with pytest.raises(EventsForgotten, match="read its current state"):
            of(database, "a", too_early)
    with database.begin() as connection:
        event_positions.forget_reader(connection, "slow")
        event_positions.forget_reader(connection, "fast")
    assert forget(timedelta(0)) == 3
    assert [one.position for one in stamped(database, after=5)] == [6], "the last one keeps the count"
    log(database, happened("a", 6))
    assert [one.position for one in stamped(database, after=6)] == [7]
    with database.begin() as connection:
        assert events.head(connection, "survey/b") == BEGINNING
        assert events.head(connection, "survey/a").seq == 6


def test_a_place_of_another_log_is_refused(database: Database) -> None:
    log(database, happened("a"))
    (only,) = of(database, "a")
    for cursor in (EventCursor(epoch=only.cursor.epoch, seq=2), EventCursor(epoch=only.cursor.epoch + 1, seq=1)):
        with pytest.raises(EventsForgotten):
            of(database, "a", cursor)
    with pytest.raises(EventsForgotten):
        stamped(database, after=7)


def count(database: Database, query: object) -> int:
    with database.begin() as connection:
        return int(connection.execute(query).scalar_one())  # type: ignore[call-overload]


def test_a_restart_of_postgresql_loses_no_event_and_no_position(postgres: Postgres, tmp_path: Path) -> None:
    name = f"test_{uuid.uuid4().hex}"
    postgres.create_database(name)
    settings = Settings(home=tmp_path, database_url=SecretStr(postgres.url(name)))
    migrate_database(settings)
    with open_database(settings, patience_s=60) as database, Bell(database.engine, events.CHANNEL) as bell:
        bell.wait(0)
        log(database, happened("a", 0))
        read = list(stamped(database))
        log(database, happened("a", 1))
        postgres.stop(signal.SIGQUIT)
        try:
            with pytest.raises(DatabaseUnavailable):
                wait_often(bell)  # what was notified before the end may come first
        finally:
            postgres.start()
        bell.wait(0)
        log(database, happened("a", 2))
        bell.wait(30)
        read += stamped(database, after=1)
        assert numbers(tuple(read)) == [0, 1, 2]
        assert [one.position for one in read] == [1, 2, 3]


def test_the_log_is_read_by_indices_alone(database: Database) -> None:
    """Plans as they are for a long log: sequential scans are what grows with it."""
    engine = create_engine(database.engine.url)
    queries = (
        "SELECT * FROM events WHERE position > 5 ORDER BY position LIMIT 10",
        "SELECT * FROM events WHERE subject = 'survey/a' AND (epoch, seq) > (1, 2) ORDER BY epoch, seq LIMIT 10",
        "SELECT id FROM events WHERE position IS NULL ORDER BY id LIMIT 10",
        "SELECT max(position) FROM events",
    )
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO events (subject, epoch, seq, position, kind, data) "
                "SELECT 'survey/' || n % 100, 1, n, n, 'block', '{}' FROM generate_series(1, 20000) AS n"
            )
        )
        connection.execute(text("ANALYZE events"))
        for query in queries:
            plan = "\n".join(connection.execute(text(f"EXPLAIN {query}")).scalars())
            assert "Seq Scan" not in plan, plan
            assert "Sort" not in plan, plan
    engine.dispose()
