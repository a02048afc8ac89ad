"""The sensor of uploads requests one run a batch until it is inspected, through kills, new uploads and failures."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from imageflow_assets import waiting
from imageflow_assets.inspection import asking, settling
from imageflow_assets.inspection.assets import OF_BATCHES
from imageflow_assets.inspection.partitions import BATCHES
from imageflow_assets.inspection.sensors import send_alerts
from imageflow_clients.database.inspection import alerts, reports
from imageflow_clients.stores import Stores
from imageflow_domain.inspection import AlertKind, BatchState
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_inspection.intake import try_again
from imageflow_surveys.runs import PARTITION_TAG
from tests.assets.inspection.uploads import (
    CANCELED,
    FAILURE,
    STARTED,
    SUCCESS,
    asked,
    ended,
    execute,
    inspect,
    keys,
    latest,
    put,
    shown,
    tick,
)
from tests.assets.runs import evaluate, succeed
from tests.inspection.lids import items, lid, next_master, published, taken, upload
from tests.inspection.test_intake import end_pauses


def test_a_closed_batch_is_asked_for_under_one_key_until_its_run_is_there(
    any_stores: Stores, instance: dg.DagsterInstance
) -> None:
    published(any_stores)
    upload(any_stores, "lid", "b1", [lid()])
    assert asked(instance, any_stores) == []
    put(any_stores, "b1", [lid()])
    requests, cursor = tick(instance, any_stores)
    assert keys(requests) == keys(tick(instance, any_stores, cursor)[0]) == ["lid-b1/1/0"]
    (request,) = requests
    assert request.partition_key == "lid-b1"
    assert set(request.asset_selection or ()) == {asset.key for asset in OF_BATCHES}
    assert instance.has_dynamic_partition(str(BATCHES.name), "lid-b1"), "the partition comes first"
    ended(instance, request, STARTED)
    assert tick(instance, any_stores, cursor)[0] == []


def test_an_inspected_batch_is_not_asked_for_again(stores: Stores, instance: dg.DagsterInstance) -> None:
    published(stores)
    inspect(instance, stores, "b1", [lid()])
    assert asked(instance, stores) == []


def test_a_manifest_whose_key_sorts_before_the_cursor_is_not_lost(stores: Stores, instance: dg.DagsterInstance) -> None:
    published(stores)
    put(stores, "b1", [lid()])
    _, cursor = tick(instance, stores)
    put(stores, "b2", [lid()], now=datetime.now(UTC) - timedelta(minutes=9))
    assert keys(tick(instance, stores, cursor)[0]) == ["lid-b1/1/0", "lid-b2/1/0"]


def test_an_equal_upload_is_inspected_once_and_another_one_again(stores: Stores, instance: dg.DagsterInstance) -> None:
    published(stores)
    first = inspect(instance, stores, "b1", [lid()])
    put(stores, "b1", [lid()])
    assert asked(instance, stores) == []
    put(stores, "b1", [lid(spots=1)])
    (request,) = asked(instance, stores)
    assert request.run_key == "lid-b1/2/0"
    assert execute(instance, stores, request).success
    second = latest(stores, "b1")
    assert (first.version, second.version) == (1, 2)
    assert second.inspection_id not in (None, first.inspection_id)


def test_versions_of_a_batch_are_inspected_one_after_the_other(stores: Stores, instance: dg.DagsterInstance) -> None:
    published(stores)
    first = taken(stores, "b1", [lid()])
    put(stores, "b1", [lid(spots=1)])
    (request,) = asked(instance, stores)
    assert request.run_key == first.run_key
    assert execute(instance, stores, request).success
    (request,) = asked(instance, stores)
    assert request.run_key == "lid-b1/2/0"
    assert execute(instance, stores, request).success
    assert asked(instance, stores) == []


@pytest.mark.parametrize("dies_in", ["add_dynamic_partitions", "get_run_records"])
def test_a_tick_that_is_killed_half_way_loses_and_doubles_nothing(
    stores: Stores, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, dies_in: str
) -> None:
    published(stores)
    put(stores, "b1", [lid()])

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(instance, dies_in, die)
    with pytest.raises(KeyboardInterrupt):
        tick(instance, stores)
    monkeypatch.undo()
    requests, _ = tick(instance, stores)  # the cursor of before
    assert keys(requests) == ["lid-b1/1/0"]
    assert latest(stores, "b1").version == 1


BY_HAND = {PARTITION_TAG: "lid-b1"}


def test_what_runs_is_left_alone_whoever_launched_it(stores: Stores, instance: dg.DagsterInstance) -> None:
    published(stores)
    put(stores, "b1", [lid()])
    by_hand = ended(instance, dg.RunRequest(tags=BY_HAND), STARTED)
    assert asked(instance, stores) == []
    run = instance.get_run_by_id(by_hand)
    assert run is not None
    instance.report_run_failed(run)
    end_pauses(stores)
    assert keys(asked(instance, stores)) == ["lid-b1/1/0"]


def test_three_runs_that_fail_give_the_batch_up_with_an_alert_and_it_can_be_tried_again(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    published(stores)
    put(stores, "b1", [lid()])
    for attempt in range(3):
        (request,) = asked(instance, stores)
        assert request.run_key == f"lid-b1/1/{attempt}"
        ended(instance, request, FAILURE)
        assert asked(instance, stores) == [], "it is noted first"
        assert asked(instance, stores) == [], "and pauses"
        end_pauses(stores)
    batch = latest(stores, "b1")
    assert batch.state is BatchState.FAILED
    for _ in range(2):
        evaluate(send_alerts, instance, stores)
    with stores.database.begin() as connection:
        (alert,) = alerts.page(connection)
    assert alert.kind is AlertKind.INSPECTION_FAILED
    try_again(stores, batch.id)
    (request,) = asked(instance, stores)
    assert request.run_key == "lid-b1/1/3"
    assert execute(instance, stores, request).success
    assert latest(stores, "b1").state is BatchState.INSPECTED


def test_a_run_that_a_person_cancelled_is_not_repeated(stores: Stores, instance: dg.DagsterInstance) -> None:
    published(stores)
    put(stores, "b1", [lid()])
    (request,) = asked(instance, stores)
    run = ended(instance, request, CANCELED)
    assert asked(instance, stores) == []
    batch = latest(stores, "b1")
    assert (batch.state, batch.reason) == (BatchState.FAILED, f"Run {run} was cancelled.")
    assert asked(instance, stores) == []


def test_a_batch_that_was_inspected_but_not_reported_is_told_to_dagster(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    """Its worker was killed in between, or it was inspected without Dagster."""
    published(stores)
    batch = taken(stores, "b1", [lid(), lid(spots=1)])
    inspection = inspect_batch(stores, batch.id)
    (request,) = asked(instance, stores)
    assert request.run_key == "lid-b1/1/report/1/0"
    ended(instance, request, FAILURE)
    (request,) = asked(instance, stores)
    assert request.run_key == "lid-b1/1/report/1/1"
    assert execute(instance, stores, request).success
    assert asked(instance, stores) == []
    assert latest(stores, "b1").inspection_id == inspection.id
    report = instance.fetch_materializations(dg.AssetKey("batch_report"), limit=5).records
    assert [record.partition_key for record in report] == ["lid-b1"]


def test_an_inspection_that_counts_again_is_told_again_however_often(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    published(stores)
    batch = taken(stores, "b1", [lid(), lid(spots=1)])
    for switch, most_spots in enumerate((0, 1, 0, 1, 0), start=1):
        next_master(stores, "lid", items(most_spots=most_spots))
        inspection = inspect_batch(stores, batch.id)
        (request,) = asked(instance, stores)
        assert request.run_key == f"lid-b1/1/report/{switch}/0"
        assert execute(instance, stores, request).success
        assert asked(instance, stores) == []
        assert latest(stores, "b1").report_tries == 0
        assert shown(instance, "inspection_results")["failed"] == inspection.failed


def test_what_a_run_has_judged_and_not_reported_yet_is_left_to_it(stores: Stores, instance: dg.DagsterInstance) -> None:
    published(stores)
    inspect_batch(stores, taken(stores, "b1", [lid()]).id)
    by_hand = ended(instance, dg.RunRequest(tags=BY_HAND), STARTED)
    assert asked(instance, stores) == []
    succeed(instance, by_hand)
    assert len(asked(instance, stores)) == 1


@pytest.mark.parametrize("how", ["reported", "inspected"])
def test_a_run_that_ends_while_dagster_is_asked_is_not_repeated(
    stores: Stores, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Between reading our rows and Dagster's runs, another run of the batch may end."""
    published(stores)
    batch = taken(stores, "b1", [lid(), lid(spots=1)])
    if how == "reported":
        inspect_batch(stores, batch.id)
    by_hand = ended(instance, dg.RunRequest(tags={"dagster/partition": "lid-b1"}), STARTED)
    ask = waiting.runs_by_tag

    def end_then_ask(*what: Any) -> Any:
        inspection = inspect_batch(stores, batch.id)
        with stores.database.begin() as connection:
            reports.set_reported(connection, inspection.id)
        succeed(instance, by_hand)
        return ask(*what)

    monkeypatch.setattr(waiting, "runs_by_tag", end_then_ask)
    assert asked(instance, stores) == []
    assert asked(instance, stores) == []


def test_a_report_that_always_fails_is_asked_for_three_times(stores: Stores, instance: dg.DagsterInstance) -> None:
    published(stores)
    inspect_batch(stores, taken(stores, "b1", [lid()]).id)
    for _ in range(3):
        (request,) = asked(instance, stores)
        ended(instance, request, FAILURE)
    assert asked(instance, stores) == []
    assert latest(stores, "b1").state is BatchState.INSPECTED


def test_reports_that_always_fail_hold_up_no_other_and_their_alerts_are_raised(
    stores: Stores, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_AT_ONCE", 1)
    published(stores)
    inspect_batch(stores, taken(stores, "b1", [lid(spots=1)]).id)
    inspect_batch(stores, taken(stores, "b2", [lid()]).id)
    for _ in range(3):
        (request,) = asked(instance, stores)
        assert request.partition_key == "lid-b1"
        ended(instance, request, FAILURE)
    assert asked(instance, stores) == [], "the third try is noted"
    (request,) = asked(instance, stores)
    assert request.partition_key == "lid-b2"
    evaluate(send_alerts, instance, stores)
    with stores.database.begin() as connection:
        (alert,) = alerts.page(connection)
    assert alert.kind is AlertKind.PICTURES_FAILED


def test_partitions_that_dagster_lost_are_added_again(stores: Stores, instance: dg.DagsterInstance) -> None:
    published(stores)
    inspect(instance, stores, "b1", [lid()])
    instance.delete_dynamic_partition(str(BATCHES.name), "lid-b1")
    assert settling.rebuild_batches(instance, stores) == 1
    assert instance.get_dynamic_partitions(str(BATCHES.name)) == ["lid-b1"]
    assert settling.rebuild_batches(instance, stores) == 0


def test_a_run_that_ended_well_without_inspecting_is_an_attempt(stores: Stores, instance: dg.DagsterInstance) -> None:
    published(stores)
    put(stores, "b1", [lid()])
    (request,) = asked(instance, stores)
    ended(instance, request, SUCCESS)
    assert asked(instance, stores) == []
    end_pauses(stores)
    assert keys(asked(instance, stores)) == ["lid-b1/1/1"]
