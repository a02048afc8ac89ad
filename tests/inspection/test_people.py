"""What people say: events that are neither lost nor doubled, disagreements, and counts that add up."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text

from imageflow_clients.database.inspection import inspections
from imageflow_clients.database.inspection import statistics as figures
from imageflow_clients.database.inspection import verifications as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import Conflict, InvalidInput, NotFound
from imageflow_domain.inspection import Figures, Inspection, Period, Verdict, VerificationEvent
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_inspection.statistics import count_touched_days, disagreements_of
from imageflow_inspection.verify import events_to_report, report_events, verify
from tests.inspection.lids import items, lid, next_master, published, taken

PASS, FAIL = Verdict.PASS, Verdict.FAIL
AT_ONCE = timedelta(0)
EVER = date(2000, 1, 1), date(2100, 1, 1)


def inspected(stores: Stores, name: str = "b1") -> Inspection:
    """A batch of which the first picture passes and the two others fail."""
    return inspect_batch(stores, taken(stores, name, [lid(), lid(spots=1), lid(spots=2)]).id)


def counted(stores: Stores, **by: str | bool) -> list[tuple[str, str, int, int, int, int]]:
    count_touched_days(stores)
    with stores.database.begin() as connection:
        found: tuple[Figures, ...] = figures.figures(connection, Period.MONTH, *EVER, **by)  # type: ignore[arg-type]
    return [(each.item, each.inspector, each.judged, each.passed, each.failed, each.corrected) for each in found]


def test_verdicts_become_one_event_when_a_batch_is_complete_or_quiet(stores: Stores) -> None:
    published(stores)
    inspection = inspected(stores)
    verify(stores, inspection.id, 0, PASS, inspector="ada")
    assert events_to_report(stores) == ()
    (quiet,) = events_to_report(stores, quiet=AT_ONCE)
    assert (quiet.verifications, quiet.verified_pictures, quiet.pictures, quiet.disagreements) == (1, 1, 3, 0)
    for place in (1, 2):
        verify(stores, inspection.id, place, PASS, inspector="ada")
    first, complete = events_to_report(stores)
    assert first == quiet
    assert (complete.verifications, complete.verified_pictures, complete.disagreements) == (2, 3, 2)
    assert events_to_report(stores, quiet=AT_ONCE) == (first, complete)
    assert len(report_events(stores, lambda _: None, lambda _: False)) == 2
    assert events_to_report(stores, quiet=AT_ONCE) == ()


@pytest.mark.parametrize("dies_at", range(1, 9))
def test_whoever_reports_may_die_at_any_transaction(
    stores: Stores, dies_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(stores)
    first, second = inspected(stores, "b1"), inspected(stores, "b2")
    for inspection in (first, second):
        verify(stores, inspection.id, 0, FAIL, inspector="ada")
    told: list[VerificationEvent] = []
    begin, left = stores.database.begin, dies_at

    def dying() -> object:
        nonlocal left
        left -= 1
        if left == 0:
            raise KeyboardInterrupt
        return begin()

    monkeypatch.setattr(stores.database, "begin", dying)
    is_there: Callable[[VerificationEvent], bool] = lambda event: event.id in [each.id for each in told]  # noqa: E731
    try:
        report_events(stores, told.append, is_there, quiet=AT_ONCE)
    except KeyboardInterrupt:
        assert dies_at < 7
    monkeypatch.undo()
    report_events(stores, told.append, is_there, quiet=AT_ONCE)
    assert [(event.name, event.verifications) for event in told] == [("b1", 1), ("b2", 1)]


def test_the_same_request_is_kept_once_and_another_one_under_its_id_is_refused(stores: Stores) -> None:
    published(stores)
    inspection = inspected(stores)
    first = verify(stores, inspection.id, 1, PASS, inspector="ada", request_id="r1")
    assert verify(stores, inspection.id, 1, PASS, inspector="ada", request_id="r1") == first
    with pytest.raises(Conflict, match="another verdict"):
        verify(stores, inspection.id, 1, FAIL, inspector="ada", request_id="r1")
    with stores.database.begin() as connection:
        assert rows.of_picture(connection, inspection.id, 1) == (first,)


def test_what_is_no_verdict_is_refused(stores: Stores) -> None:
    published(stores)
    inspection = inspected(stores)
    with pytest.raises(NotFound, match="no result for picture 3"):
        verify(stores, inspection.id, 3, PASS, inspector="ada")
    with pytest.raises(NotFound, match="no item 'size'"):
        verify(stores, inspection.id, 0, PASS, inspector="ada", item="size")
    with pytest.raises(InvalidInput):
        verify(stores, inspection.id, 0, Verdict.UNDECIDED, inspector="ada")
    with pytest.raises(InvalidInput):
        verify(stores, inspection.id, 0, PASS, inspector="")


def test_disagreements_are_those_of_the_latest_verdicts(stores: Stores) -> None:
    published(stores)
    inspection = inspected(stores)
    verify(stores, inspection.id, 0, FAIL, inspector="ada")
    verify(stores, inspection.id, 1, PASS, inspector="ada")
    verify(stores, inspection.id, 1, FAIL, inspector="bob")
    verify(stores, inspection.id, 2, PASS, inspector="bob", item="spots")
    with stores.database.begin() as connection:
        found = rows.disagreements(connection)
        assert [(each.picture, each.pipelines_said, each.verification.item) for each in found] == [
            ("p0002.png", FAIL, "spots"),
            ("p0000.png", PASS, ""),
        ]
        assert rows.disagreements(connection, before=found[0].verification.id) == found[1:]
        assert rows.disagreements(connection, product="other") == ()


def test_counts_are_those_of_pictures_items_and_inspectors(stores: Stores) -> None:
    published(stores)
    inspection = inspected(stores)
    verify(stores, inspection.id, 0, FAIL, inspector="ada")
    verify(stores, inspection.id, 1, FAIL, inspector="ada")
    verify(stores, inspection.id, 2, FAIL, inspector="bob")
    assert counted(stores) == [("", "", 3, 1, 2, 0)]
    assert counted(stores, by_item=True) == [
        ("count", "", 3, 3, 0, 0),
        ("length", "", 3, 3, 0, 0),
        ("spots", "", 3, 1, 2, 0),
    ]
    assert counted(stores, by_inspector=True) == [("", "ada", 2, 0, 2, 1), ("", "bob", 1, 0, 1, 0)]
    assert counted(stores, inspector="ada") == [("", "ada", 2, 0, 2, 1)]
    verify(stores, inspection.id, 0, PASS, inspector="ada")
    assert counted(stores, inspector="ada") == [("", "ada", 2, 1, 1, 0)]


def test_only_touched_days_are_counted_again_and_an_inspection_that_replaces_another_counts_once(
    stores: Stores,
) -> None:
    published(stores)
    inspection = inspected(stores)
    today = datetime.now(UTC).date()
    assert count_touched_days(stores) == ((today, "lid"),)
    assert count_touched_days(stores) == ()
    next_master(stores, "lid", items(most_spots=1))
    inspect_batch(stores, inspection.batch_id)
    assert counted(stores) == [("", "", 3, 2, 1, 0)]
    inspect_batch(stores, taken(stores, "b1", [lid(spots=3), lid(), lid(), lid()]).id)  # another version
    assert counted(stores) == [("", "", 4, 3, 1, 0)]
    with stores.database.begin() as connection:
        assert inspections.get(connection, inspection.id) == inspection


def test_weeks_begin_on_monday_and_months_on_the_first_and_days_are_those_of_utc(stores: Stores) -> None:
    published(stores)
    moments = ["2026-03-01T23:59:59Z", "2026-03-02T00:00:00Z", "2026-03-08T12:00:00Z", "2026-04-01T01:00:00+02:00"]
    for place, moment in enumerate(moments):
        batch = taken(stores, f"b{place}", [lid()])
        with stores.database.begin() as connection:
            connection.execute(
                text("UPDATE batches SET closed_at = :at WHERE id = :id"), {"at": moment, "id": batch.id}
            )
        inspect_batch(stores, batch.id)
    count_touched_days(stores)

    def begins(period: Period) -> list[tuple[str, int]]:
        with stores.database.begin() as connection:
            found = figures.figures(connection, period, *EVER)
        return [(each.begins.isoformat(), each.judged) for each in found]

    assert begins(Period.DAY) == [("2026-03-01", 1), ("2026-03-02", 1), ("2026-03-08", 1), ("2026-03-31", 1)]
    assert begins(Period.WEEK) == [("2026-02-23", 1), ("2026-03-02", 2), ("2026-03-30", 1)]
    assert begins(Period.MONTH) == [("2026-03-01", 4)]


def test_a_later_verdict_ends_a_disagreement_on_the_day_that_it_was_counted(stores: Stores) -> None:
    published(stores)
    inspection = inspected(stores)
    ada = verify(stores, inspection.id, 0, FAIL, inspector="ada")
    monday = date(2026, 3, 2)
    with stores.database.begin() as connection:
        connection.execute(
            text("UPDATE verifications SET created_at = :at WHERE id = :id"), {"at": "2026-03-02T12:00Z", "id": ada.id}
        )
        figures.touch(connection, datetime(2026, 3, 2, 12, tzinfo=UTC), "lid")
    assert [each.verification.inspector for each in disagreements_of(stores, monday)] == ["ada"]
    assert counted(stores, by_inspector=True) == [("", "ada", 1, 0, 1, 1)]
    verify(stores, inspection.id, 0, PASS, inspector="bob")
    with stores.database.begin() as connection:
        assert monday in [day for day, _ in figures.waiting_days(connection, 10)]
    assert disagreements_of(stores, monday) == ()
    assert counted(stores, by_inspector=True) == [("", "bob", 1, 1, 0, 0)]


def test_another_inspection_that_counts_touches_the_days_of_peoples_verdicts(stores: Stores) -> None:
    published(stores)
    inspection = inspected(stores)
    ada = verify(stores, inspection.id, 1, PASS, inspector="ada")
    with stores.database.begin() as connection:
        connection.execute(
            text("UPDATE verifications SET created_at = :at WHERE id = :id"), {"at": "2026-03-02T12:00Z", "id": ada.id}
        )
    count_touched_days(stores)
    next_master(stores, "lid", items(most_spots=1))
    inspect_batch(stores, inspection.batch_id)
    with stores.database.begin() as connection:
        assert date(2026, 3, 2) in [day for day, _ in figures.waiting_days(connection, 10)]
