"""Waiting rows of the outbox of verdicts, and alerts that were not raised yet, are carried over by the migration."""

from datetime import timedelta

from sqlalchemy import text

from imageflow_clients.database.core.migrating import downgrade, newest_revision, upgrade
from imageflow_clients.stores import Stores
from imageflow_domain.inspection import AlertKind, Verdict
from imageflow_inspection.alerts import raise_alerts
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_inspection.intake import run_gave_up
from imageflow_inspection.verify import events_to_report, report_events, verify
from tests.inspection.lids import lid, published, taken

BEFORE = "0011"
AT_ONCE = timedelta(0)


def to(stores: Stores, revision: str) -> None:
    with stores.database.begin() as connection:
        (downgrade if revision == BEFORE else upgrade)(connection, revision)


def in_outbox(stores: Stores) -> list[tuple[int, int]]:
    with stores.database.begin() as connection:
        rows = connection.execute(text("SELECT batch_id, verification_id FROM outbox ORDER BY verification_id")).all()
        return [(row.batch_id, row.verification_id) for row in rows]


def test_verdicts_that_waited_in_the_outbox_are_told_once_and_go_back_there(stores: Stores) -> None:
    published(stores)
    first, second = (inspect_batch(stores, taken(stores, name, [lid(), lid()]).id) for name in ("b1", "b2"))
    verify(stores, first.id, 0, Verdict.PASS, inspector="ada")
    report_events(stores, lambda _: None, lambda _: False, quiet=AT_ONCE)
    verify(stores, second.id, 0, Verdict.PASS, inspector="ada")
    (sealed,) = events_to_report(stores, quiet=AT_ONCE)
    waiting = [
        (first.batch_id, verify(stores, first.id, 0, Verdict.FAIL, inspector="ada").id),
        (second.batch_id, verify(stores, second.id, 0, Verdict.FAIL, inspector="ada").id),
    ]
    assert events_to_report(stores) == (sealed,)  # it has read those that wait
    waiting.append((first.batch_id, verify(stores, first.id, 0, Verdict.PASS, inspector="bob").id))  # and not this one
    for _ in range(2):
        to(stores, BEFORE)
        assert in_outbox(stores) == waiting
        to(stores, newest_revision())
    assert events_to_report(stores) == (sealed,), "the others have waited for no minute yet"
    found = events_to_report(stores, quiet=AT_ONCE)
    assert [(event.name, event.verifications) for event in found] == [("b2", 1), ("b1", 2), ("b2", 1)]
    assert len(report_events(stores, lambda _: None, lambda _: False)) == 3
    assert events_to_report(stores, quiet=AT_ONCE) == ()


def test_batches_of_which_nobody_was_alerted_yet_are_told_of_after_the_migration(stores: Stores) -> None:
    published(stores)
    inspect_batch(stores, taken(stores, "known", [lid(spots=1)]).id)
    assert len(raise_alerts(stores)) == 1
    unreported = inspect_batch(stores, taken(stores, "unreported", [lid(spots=1)]).id)
    reported = inspect_batch(stores, taken(stores, "reported", [lid(spots=1)]).id)
    failed = taken(stores, "failed", [lid()])
    run_gave_up(stores, failed, "it was cancelled", for_good=True)
    to(stores, BEFORE)
    with stores.database.begin() as connection:
        connection.execute(text("UPDATE inspections SET reported_at = now() WHERE id = :id"), {"id": reported.id})
    to(stores, newest_revision())
    raised = [(alert.kind, alert.batch_id) for alert in raise_alerts(stores)]
    assert sorted(raised) == [
        (AlertKind.INSPECTION_FAILED, failed.id),
        (AlertKind.PICTURES_FAILED, unreported.batch_id),
    ]
    assert raise_alerts(stores) == ()
