"""The bell that a commit rings for readers of the event log, on a real PostgreSQL."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from imageflow_clients.database.core import events
from imageflow_clients.database.core.engine import Database
from imageflow_clients.database.core.waking import Bell
from imageflow_domain.errors import DatabaseUnavailable, NotReady
from tests.clients.test_event_log import count, database, happened, log, log_then_fail

__all__ = ["database"]


def test_a_commit_rings_once_however_much_it_logs_and_a_rollback_does_not(database: Database) -> None:
    with Bell(database.engine, events.CHANNEL) as bell:
        bell.wait(0)
        log(database, *(happened(name, number) for name in "abc" for number in range(10)))
        begun = time.monotonic()
        bell.wait(30)
        assert time.monotonic() - begun < 20
        with pytest.raises(NotReady):
            log_then_fail(database)
        begun = time.monotonic()
        bell.wait(0.5)
        assert time.monotonic() - begun > 0.4


def test_a_bell_that_is_closed_while_somebody_waits_ends_its_connection(database: Database) -> None:
    bell = Bell(database.engine, events.CHANNEL)
    bell.wait(0)
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(bell.wait, 0.3)
        time.sleep(0.1)
        bell.close()
        waits.result()
    query = text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()")
    until = time.monotonic() + 10
    while count(database, query) and time.monotonic() < until:
        time.sleep(0.05)
    assert count(database, query) == 0


def test_a_bell_that_may_not_listen_closes_its_connection(database: Database) -> None:
    before = set(_connections(database))
    bell = Bell(database.engine, "")
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable, match="zero-length"):
            bell.wait(0)
    until = time.monotonic() + 10
    while set(_connections(database)) > before and time.monotonic() < until:
        time.sleep(0.05)
    assert set(_connections(database)) <= before


def _connections(database: Database) -> list[int]:
    query = text(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND application_name = 'imageflow'"
    )
    with database.begin() as connection:
        return list(connection.execute(query).scalars())
