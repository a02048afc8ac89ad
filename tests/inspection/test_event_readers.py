"""The readers that report verdicts and raise alerts: killed anywhere, they lose nothing and report nothing twice."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, text, update

from imageflow_clients.database.core import event_positions, events
from imageflow_clients.database.core.event_reading import Reader
from imageflow_clients.database.core.schema import events as event_log
from imageflow_clients.database.inspection import alerts, batches, verification_events, verifications
from imageflow_clients.stores import Stores
from imageflow_domain.events import Event
from imageflow_domain.inspection import Inspection, Verdict
from imageflow_inspection.alerts import raise_alerts
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_inspection.intake import run_gave_up, try_again
from imageflow_inspection.verify import events_to_report, verify
from imageflow_surveys.sweep import sweep
from tests.clients.servers import ROOT
from tests.inspection.lids import lid, published, taken

AT_ONCE = timedelta(0)

READERS = """
import os, signal, sys
from datetime import timedelta
from pathlib import Path
from sqlalchemy import event
from imageflow_clients.settings import Settings
from imageflow_clients.stores import open_stores
from imageflow_inspection.alerts import raise_alerts
from imageflow_inspection.verify import report_events

told = Path(sys.argv[1])

def read(dies_at):
    stores = open_stores(Settings())
    left = dies_at

    def die(*_):
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def report(one):
        with told.open("a") as file:
            file.write(f"{one.id} {one.name} {one.verifications}\\n")

    event.listen(stores.database.engine, "before_cursor_execute", die)
    event.listen(stores.database.engine, "commit", die)
    raise_alerts(stores, addresses=["http://127.0.0.1:9/alerts"])
    report_events(
        stores,
        report,
        lambda one: str(one.id) in [line.split()[0] for line in told.read_text().splitlines()],
        quiet=timedelta(0),
    )

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        read(int(line))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def inspected(stores: Stores, name: str) -> Inspection:
    return inspect_batch(stores, taken(stores, name, [lid()]).id)


def messages(stores: Stores) -> list[str]:
    with stores.database.begin() as connection:
        return [alert.message for alert in alerts.page(connection)]


def test_readers_that_are_killed_at_any_statement_tell_of_every_verdict_and_batch_once(
    stores: Stores, tmp_path: Path
) -> None:
    published(stores)
    inspection = inspected(stores, "b1")
    failing = taken(stores, "b2", [lid()])
    told = tmp_path / "told"
    told.touch()
    url = stores.database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    environment = {**os.environ, "IMAGEFLOW_DATABASE_URL": url, "IMAGEFLOW_HOME": str(tmp_path)}
    readers = subprocess.Popen(
        [sys.executable, "-c", READERS, str(told)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def read(dies_at: int) -> int:
        assert readers.stdin is not None
        assert readers.stdout is not None
        readers.stdin.write(f"{dies_at}\n")
        readers.stdin.flush()
        return int(readers.stdout.readline())

    rounds, ended = 0, -9
    while ended == -9:
        rounds += 1
        for _ in range(2):
            verify(stores, inspection.id, 0, Verdict.PASS, inspector="ada")
        failing = run_gave_up(stores, failing, f"round {rounds}", for_good=True)
        ended = read(dies_at=rounds)
        assert read(dies_at=0) == 0
        lines = [line.split() for line in told.read_text().splitlines()]
        assert sum(int(verdicts) for _, _, verdicts in lines) == 2 * rounds
        assert len({event for event, _, _ in lines}) == len(lines)
        assert len(messages(stores)) == rounds
        failing = try_again(stores, failing.id)
    assert ended == 0, "in the last round it was through before it was to die"
    assert rounds > 20
    readers.communicate()
    assert readers.returncode == 0
    with stores.database.begin() as connection:
        sent = connection.execute(text("SELECT count(*), count(DISTINCT alert_id) FROM alert_deliveries")).one()
    assert tuple(sent) == (rounds, rounds)


def test_a_transaction_that_stays_open_hides_no_verdict_of_others_and_its_own_come_after(stores: Stores) -> None:
    published(stores)
    slow, quick = inspected(stores, "slow"), inspected(stores, "quick")
    with stores.database.begin() as connection:
        verifications.add(
            connection,
            batch=slow.batch_id,
            inspection=slow.id,
            place=0,
            item="",
            verdict=Verdict.FAIL,
            inspector="ada",
            notes="",
            seconds=0,
            request_id=None,
        )
        verify(stores, quick.id, 0, Verdict.PASS, inspector="bob")
        assert [event.name for event in events_to_report(stores)] == ["quick"]
        verify(stores, quick.id, 0, Verdict.FAIL, inspector="bob")
    assert [(event.name, event.verifications) for event in events_to_report(stores)] == [
        ("quick", 1),
        ("quick", 1),
        ("slow", 1),
    ]


def test_verdicts_that_come_while_others_wait_are_gathered_and_those_after_them_are_another_event(
    stores: Stores,
) -> None:
    published(stores)
    inspection = inspect_batch(stores, taken(stores, "b1", [lid(), lid(), lid()]).id)
    for place in (0, 1):
        verify(stores, inspection.id, place, Verdict.FAIL, inspector="ada")
        assert events_to_report(stores) == ()
    (first,) = events_to_report(stores, quiet=AT_ONCE)
    assert (first.verifications, first.verified_pictures, first.disagreements) == (2, 2, 2)
    verify(stores, inspection.id, 0, Verdict.PASS, inspector="ada")
    assert events_to_report(stores) == (first,)


def test_the_sweep_keeps_old_events_until_the_readers_of_verdicts_and_of_alerts_have_read_them(stores: Stores) -> None:
    published(stores)
    inspection = inspect_batch(stores, taken(stores, "b1", [lid(spots=1)]).id)
    verify(stores, inspection.id, 0, Verdict.PASS, inspector="ada")

    def sweep_after_a_month() -> int:
        with stores.database.begin() as connection:
            connection.execute(update(event_log).values(created_at=event_log.c.created_at - timedelta(days=30)))
        sweep(stores)
        with stores.database.begin() as connection:
            left: int = connection.execute(text("SELECT count(*) FROM events")).scalar_one()
        return left

    assert sweep_after_a_month() == 3
    (alert,) = raise_alerts(stores)
    assert alert.details["inspection"] == inspection.id
    assert sweep_after_a_month() == 3
    (event,) = events_to_report(stores)
    assert event.verifications == 1
    assert sweep_after_a_month() == 1, "positions go on from the newest"


def test_a_sweep_ends_while_events_are_logged_and_returns_how_far_the_slowest_reader_is_behind(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stamp = event_positions.stamp
    calls = 0

    def log_then_stamp(connection: Connection) -> int:
        nonlocal calls
        calls += 1
        assert calls < 10, "the sweep does not end"
        with stores.database.begin() as another:
            events.append(another, Event(subject="survey/a", kind="state"))
        return stamp(connection)

    assert sweep(stores).unread_events == 0
    monkeypatch.setattr(event_positions, "stamp", log_then_stamp)
    caplog.set_level("INFO")
    assert sweep(stores).unread_events == 1
    assert "reader 'alerts' is 1 events behind" in caplog.text
    assert sweep(stores).unread_events == 2
    assert sweep(stores, dry_run=True).unread_events == 2
    for _ in range(2):
        raise_alerts(stores)
    assert "reader 'verdicts'" not in caplog.text
    monkeypatch.setattr(event_positions, "stamp", stamp)
    raise_alerts(stores)
    assert sweep(stores).unread_events >= 2
    assert "reader 'verdicts'" in caplog.text
    events_to_report(stores)
    assert sweep(stores).unread_events == 0


def test_a_transaction_that_holds_a_batch_stops_no_reader(stores: Stores) -> None:
    published(stores)
    inspection = inspect_batch(stores, taken(stores, "b1", [lid(spots=1)]).id)
    verify(stores, inspection.id, 0, Verdict.PASS, inspector="ada")
    with ThreadPoolExecutor(1) as pool, stores.database.begin() as connection:
        batches.get(connection, inspection.batch_id, lock=True)
        (alert,) = pool.submit(raise_alerts, stores).result(timeout=60)
        (event,) = pool.submit(events_to_report, stores).result(timeout=60)
    assert alert.batch_id == event.batch_id == inspection.batch_id


def test_two_processes_that_gather_and_seal_at_once_do_not_wait_for_each_other_in_a_circle(stores: Stores) -> None:
    published(stores)
    ids = []
    for name in ("b1", "b2", "b3"):
        inspection = inspect_batch(stores, taken(stores, name, [lid(), lid()]).id)
        verify(stores, inspection.id, 0, Verdict.PASS, inspector="ada")
        ids.append(inspection.batch_id)
    assert events_to_report(stores) == ()
    given_at = datetime.now(UTC)
    with ThreadPoolExecutor(1) as pool:
        with stores.database.begin() as connection:  # as the reader does, with verdicts in another order
            event_positions.position_of(connection, Reader.VERDICTS)
            verification_events.add_verdict(connection, ids[1], given_at)
            seals = pool.submit(events_to_report, stores, quiet=AT_ONCE)
            time.sleep(1)
            for batch in (ids[0], ids[2]):
                verification_events.add_verdict(connection, batch, given_at)
        assert sum(event.verifications for event in seals.result(timeout=60)) == 6


def test_events_of_another_version_hold_up_neither_verdicts_nor_alerts_nor_the_sweep(stores: Stores) -> None:
    published(stores)
    inspection = inspected(stores, "b1")
    foreign = [
        ("batch/17/picture", "verdict", {}),
        ("batch/9999999999999999999999", "verdict", {}),
        ("batch/999999999999999999", "inspected", {}),
        (f"batch/{inspection.batch_id}", "inspected", {}),
        (f"batch/{inspection.batch_id}", "inspected", {"inspection": "seventeen"}),
        (f"batch/{inspection.batch_id}", "inspected", {"inspection": 999_999}),
        (f"batch/{inspection.batch_id}", "measured", {"by": "another version"}),
    ]
    with stores.database.begin() as connection:
        for subject, kind, data in foreign:
            events.append(connection, Event(subject=subject, kind=kind, data=data))
    there = inspect_batch(stores, taken(stores, "b2", [lid(spots=1)]).id)
    verify(stores, there.id, 0, Verdict.PASS, inspector="ada")
    assert [alert.batch_id for alert in raise_alerts(stores)] == [there.batch_id]
    assert [event.name for event in events_to_report(stores)] == ["b2"]
    with stores.database.begin() as connection:
        connection.execute(update(event_log).values(created_at=event_log.c.created_at - timedelta(days=30)))
    sweep(stores)
    with stores.database.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM events")).scalar_one() == 1


def test_a_batch_that_is_gone_holds_up_no_reader(stores: Stores) -> None:
    published(stores)
    gone, there = (inspect_batch(stores, taken(stores, name, [lid(spots=1)]).id) for name in ("gone", "there"))
    for inspection in (gone, there):
        verify(stores, inspection.id, 0, Verdict.PASS, inspector="ada")
    with stores.database.begin() as connection:
        connection.execute(text("DELETE FROM batches WHERE id = :id"), {"id": gone.batch_id})
    assert [alert.batch_id for alert in raise_alerts(stores)] == [there.batch_id]
    assert [event.name for event in events_to_report(stores)] == ["there"]
