"""What people said becomes one event a batch, only touched days are counted, and alerts leave by themselves."""

from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import insert, update

from imageflow_assets import waiting
from imageflow_assets.inspection import asking, sensors
from imageflow_assets.inspection.sensors import count_statistics, report_verdicts, send_alerts
from imageflow_clients.database.core.schema import event_readers, events
from imageflow_clients.database.inspection import alerts, verification_events
from imageflow_clients.database.inspection.schema import statistic_touches
from imageflow_clients.stores import Stores
from imageflow_domain.errors import EventsForgotten, InvalidInput
from imageflow_domain.inspection import AlertKind, Verdict
from imageflow_inspection.alerts import raise_alerts
from imageflow_inspection.intake import run_gave_up
from imageflow_inspection.statistics import count_touched_days
from imageflow_inspection.verify import verify
from tests.assets.inspection.uploads import FAILURE, ended, execute, inspect, shown
from tests.assets.runs import evaluate
from tests.inspection.lids import lid, published, taken
from tests.inspection.test_after_changes import SECRET, Receiver, receiver

__all__ = ["receiver"]
PASS, FAIL = Verdict.PASS, Verdict.FAIL


def _told(instance: dg.DagsterInstance) -> list[tuple[str | None, object]]:
    records = instance.fetch_materializations(dg.AssetKey("human_verdicts"), limit=20).records
    found = [record.asset_materialization for record in records]
    return [(each.partition, each.metadata["verdicts"].value) for each in found if each is not None]


def test_a_batch_that_is_verified_wholly_becomes_one_event_and_one_that_is_not_waits(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    published(stores)
    whole = inspect(instance, stores, "b1", [lid(), lid(spots=1)])
    part = inspect(instance, stores, "b2", [lid(), lid(spots=1)])
    for place in (0, 1):
        verify(stores, whole.inspection_id or 0, place, PASS, inspector="ada")
    verify(stores, part.inspection_id or 0, 0, PASS, inspector="ada")
    for _ in range(3):
        evaluate(report_verdicts, instance, stores)
    assert _told(instance) == [("lid-b1", 2)]


def test_whoever_dies_between_telling_and_noting_tells_nothing_twice(
    stores: Stores, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(stores)
    batch = inspect(instance, stores, "b1", [lid()])
    verify(stores, batch.inspection_id or 0, 0, FAIL, inspector="ada")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(verification_events, "set_reported", die)
    with pytest.raises(KeyboardInterrupt):
        evaluate(report_verdicts, instance, stores)
    monkeypatch.undo()
    assert _told(instance) == [("lid-b1", 1)]
    evaluate(report_verdicts, instance, stores)
    assert _told(instance) == [("lid-b1", 1)]
    verify(stores, batch.inspection_id or 0, 0, PASS, inspector="bob")
    evaluate(report_verdicts, instance, stores)
    assert _told(instance) == [("lid-b1", 1), ("lid-b1", 1)], "a later verdict is another event"


def _days(instance: dg.DagsterInstance, stores: Stores) -> list[dg.RunRequest]:
    return list(evaluate(count_statistics, instance, stores).run_requests or ())


def test_only_days_that_changed_are_counted_and_show_their_figures(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    published(stores)
    assert _days(instance, stores) == []
    batch = inspect(instance, stores, "b1", [lid(), lid(spots=1)])
    verify(stores, batch.inspection_id or 0, 1, PASS, inspector="ada", notes="a reflection")
    (request,) = _days(instance, stores)
    assert request.partition_key == datetime.now(UTC).date().isoformat()
    assert execute(instance, stores, request).success
    assert _days(instance, stores) == []
    counted = shown(instance, "inspection_statistics")
    (product,) = counted["by_product"]
    assert [product[name] for name in ("product", "judged", "passed", "failed")] == ["lid", 2, 1, 1]
    (person,) = counted["by_inspector"]
    assert [person[name] for name in ("inspector", "judged", "corrected")] == ["ada", 1, 1]
    (one,) = shown(instance, "disagreements")["latest"]
    said = {"batch": "lid-b1", "picture": "p0001.png", "person_said": "pass", "notes": "a reflection"}
    assert said.items() <= one.items()


def test_a_day_whose_run_fails_is_asked_for_three_times_and_again_once_it_changes(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    published(stores)
    batch = inspect(instance, stores, "b1", [lid()])
    asked = set()
    for _ in range(3):
        (request,) = _days(instance, stores)
        asked.add(request.run_key)
        ended(instance, request, FAILURE)
    assert len(asked) == 3
    assert _days(instance, stores) == []
    verify(stores, batch.inspection_id or 0, 0, FAIL, inspector="ada")
    assert len(_days(instance, stores)) == 1


def test_a_day_whose_runs_all_failed_holds_up_none_that_changed_later(
    stores: Stores, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_AT_ONCE", 1)
    published(stores)
    inspect(instance, stores, "b1", [lid()])
    for _ in range(3):
        (request,) = _days(instance, stores)
        ended(instance, request, FAILURE)
    assert _days(instance, stores) == []
    with stores.database.begin() as connection:
        connection.execute(insert(statistic_touches).values(day=date(2026, 1, 2), product="lid"))
    assert [request.partition_key for request in _days(instance, stores)] == ["2026-01-02"]


def test_a_day_that_is_counted_while_dagster_is_asked_is_not_counted_again(
    stores: Stores, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading our rows and asking who is at a day, somebody else's run of it may end."""
    published(stores)
    inspect(instance, stores, "b1", [lid()])
    assert len(_days(instance, stores)) == 1
    ask = waiting.runs_by_tag

    def count_then_ask(*what: Any) -> Any:
        count_touched_days(stores)
        return ask(*what)

    monkeypatch.setattr(waiting, "runs_by_tag", count_then_ask)
    assert _days(instance, stores) == []


def test_wrong_settings_of_alerts_are_told_with_what_is_right_and_lose_no_alert(
    stores: Stores, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEFLOW_ALERT_WEBHOOKS", '["https://example.org/alerts"]')
    published(stores)
    batch = taken(stores, "b1", [lid()])
    run_gave_up(stores, batch, "it was cancelled", for_good=True)
    with pytest.raises(InvalidInput, match=r"parted by spaces, like https://example\.org/alerts"):
        evaluate(send_alerts, instance, stores)
    with stores.database.begin() as connection:
        (alert,) = alerts.page(connection)
    assert alert.kind is AlertKind.INSPECTION_FAILED


def test_an_alert_of_a_batch_reaches_the_address_of_the_settings(
    stores: Stores, instance: dg.DagsterInstance, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEFLOW_ALERT_WEBHOOKS", f"{receiver.address} {receiver.address}")
    monkeypatch.setenv("IMAGEFLOW_ALERT_SECRET", SECRET)
    published(stores)
    inspect(instance, stores, "b1", [lid(spots=1)])
    for _ in range(2):
        evaluate(send_alerts, instance, stores)
    ((_, body),) = receiver.got
    assert b"pictures_failed" in body


def test_alerts_that_were_raised_are_sent_also_where_others_cannot_be_raised(
    stores: Stores, instance: dg.DagsterInstance, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEFLOW_ALERT_WEBHOOKS", receiver.address)
    monkeypatch.setenv("IMAGEFLOW_ALERT_SECRET", SECRET)
    published(stores)
    inspect(instance, stores, "b1", [lid(spots=1)])
    raise_alerts(stores, addresses=[receiver.address])
    inspect(instance, stores, "b2", [lid(spots=1)])
    with stores.database.begin() as connection:
        # The reader finds events missing, as after a restore of an older database.
        connection.execute(update(events).values(position=events.c.position + 1_000))
        connection.execute(update(event_readers).values(position=500))
    with pytest.raises(EventsForgotten):
        evaluate(send_alerts, instance, stores)
    ((_, body),) = receiver.got
    assert b"lid-b1" in body


def test_every_sensor_of_inspection_says_what_it_did_where_there_is_nothing(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    for sensor in sensors.SENSORS:
        result = evaluate(sensor, instance, stores)
        said = result.skip_reason if isinstance(result, dg.SensorResult) else result
        assert said.skip_message
