"""Named readers of the event log: each gets every event once, through kills, exceptions and new readers."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from imageflow_clients.database.core import event_positions, events
from imageflow_clients.database.core.engine import Database
from imageflow_clients.database.core.event_reading import read_on
from imageflow_domain.errors import NotFound, NotReady
from imageflow_domain.events import LoggedEvent
from tests.clients.servers import ROOT
from tests.clients.test_event_log import count, database, happened, log, stamped

__all__ = ["database"]

READER = """
from imageflow_clients.database.core.engine import open_database
from imageflow_clients.database.core.event_reading import read_on
from imageflow_clients.settings import Settings
from sqlalchemy import text

def note(connection, one):
    connection.execute(
        text("INSERT INTO heard (subject, seq) VALUES (:subject, :seq)"),
        {"subject": one.event.subject, "seq": one.cursor.seq},
    )

with open_database(Settings()) as database:
    print("reads", flush=True)
    while True:
        read_on(database, "heard", note)
"""


def test_a_reader_that_is_killed_and_started_again_reads_everything_once(database: Database, tmp_path: Path) -> None:
    with database.begin() as connection:
        connection.execute(text("CREATE TABLE heard (number serial, subject text, seq bigint)"))
        event_positions.position_of(connection, "heard")
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    environment = {**os.environ, "IMAGEFLOW_DATABASE_URL": url, "IMAGEFLOW_HOME": str(tmp_path)}
    total = 0
    for kill in range(4):
        reader = subprocess.Popen(
            [sys.executable, "-c", READER], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        )
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reads\n"
        for _ in range(25):
            log(database, happened("a", total), happened("b", total))
            total += 1
        if kill == 3:
            until = time.monotonic() + 60
            while _heard(database, "a") != list(range(1, total + 1)) and time.monotonic() < until:
                time.sleep(0.05)
        reader.send_signal(signal.SIGKILL)
        reader.communicate()
    for name in "ab":
        assert _heard(database, name) == list(range(1, total + 1))


def _heard(database: Database, name: str) -> list[int]:
    query = text("SELECT seq FROM heard WHERE subject = :subject ORDER BY number")
    with database.begin() as connection:
        return list(connection.execute(query, {"subject": f"survey/{name}"}).scalars())


def test_a_reader_that_raises_gets_the_same_events_again_and_what_it_did_is_undone(database: Database) -> None:
    heard: list[object] = []

    def note(connection: Connection, one: LoggedEvent) -> None:
        connection.execute(text("INSERT INTO saves (game, save) VALUES ('g', :save)"), {"save": f"s{len(heard)}"})
        heard.append(one.event.data["number"])
        if len(heard) == 250:
            raise NotReady("later")

    read_on(database, "one", note)
    log(database, *(happened("a", number) for number in range(300)))
    with pytest.raises(NotReady):
        read_on(database, "one", note)
    assert heard == list(range(250)), "pages before the one that failed are done"
    read_on(database, "one", note)
    assert heard[250:] == list(range(200, 300))
    assert count(database, text("SELECT count(*) FROM saves")) == 300
    read_on(database, "one", note)
    assert len(heard) == 350


def test_an_event_that_a_reader_cannot_use_is_logged_and_passed_over_with_what_was_done_with_it(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[object] = []

    def note(connection: Connection, one: LoggedEvent) -> None:
        number = one.event.data["number"]
        connection.execute(text("INSERT INTO saves (game, save) VALUES ('g', :save)"), {"save": f"s{number}"})
        events.append(connection, happened("answer", int(str(number))))
        heard.append(number)
        match number:
            case 1:
                raise NotFound("It is gone.")
            case 2:
                int("picture")
            case 3:
                connection.execute(text("INSERT INTO saves (game, save) VALUES ('g', 's0')"))
            case 4:
                connection.execute(text("SELECT 99999999999::integer"))

    read_on(database, "one", note)
    log(database, *(happened("a", number) for number in range(6)))
    read_on(database, "one", lambda connection, one: note(connection, one) if one.event.subject == "survey/a" else None)
    assert heard == [0, 1, 2, 3, 4, 5]
    assert count(database, text("SELECT count(*) FROM saves")) == 2
    assert [one.event.data["number"] for one in stamped(database) if one.event.subject == "survey/answer"] == [0, 5]
    passed = [record.getMessage() for record in caplog.records if "passes over" in record.getMessage()]
    assert passed == [f"reader one passes over event {number + 1}, 'block' of 'survey/a'" for number in (1, 2, 3, 4)]


def test_a_fault_of_the_program_is_raised_and_no_event_is_passed_over(database: Database) -> None:
    def fail(connection: Connection, one: LoggedEvent) -> None:
        connection.execute(text("SELECT nothing FROM saves"))

    read_on(database, "one", fail)
    log(database, happened("a"))
    with pytest.raises(ProgrammingError):
        read_on(database, "one", fail)
    heard: list[object] = []
    read_on(database, "one", lambda _, one: heard.append(one.event.data["number"]))
    assert heard == [0]


def test_a_reader_without_anything_to_read_waits_for_nobody_and_locks_nothing(database: Database) -> None:
    def fail(_: Connection, one: LoggedEvent) -> None:
        raise NotReady(str(one))

    read_on(database, "one", fail)
    with ThreadPoolExecutor(1) as pool, database.begin() as connection:
        event_positions.position_of(connection, "one")  # another process reads
        pool.submit(read_on, database, "one", fail).result(timeout=60)


def test_a_new_reader_misses_nothing_that_is_stamped_and_forgotten_while_it_begins(database: Database) -> None:
    log(database, happened("a", 0))
    stamped(database)
    log(database, happened("a", 1), happened("a", 2))

    def forget() -> None:
        stamped(database)
        with database.begin() as connection:
            event_positions.forget_old(connection, timedelta(0))

    with ThreadPoolExecutor(1) as pool:
        with database.begin() as connection:
            event_positions.position_of(connection, "new")
            forgotten = pool.submit(forget)
            time.sleep(0.3)
        forgotten.result(timeout=60)
    heard: list[object] = []
    read_on(database, "new", lambda _, one: heard.append(one.event.data["number"]))
    assert heard == [1, 2]
