"""Days and uploads of Dagster follow our rows: in a new home, in one of an older ImageFlow, and from tick to tick."""

from datetime import UTC, date, datetime

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from sqlalchemy import insert

from imageflow_assets.definitions import defs
from imageflow_assets.inspection import sensors
from imageflow_assets.inspection.assets import OF_BATCHES, OF_DAYS
from imageflow_assets.inspection.partitions import DAYS
from imageflow_assets.inspection.sensors import count_statistics, inspect_uploads
from imageflow_clients.database.inspection import schema as schema
from imageflow_clients.stores import Stores
from tests.assets.inspection.uploads import execute, inspect, put
from tests.assets.runs import evaluate
from tests.inspection.lids import lid, published

TODAY = datetime.now(UTC).date()


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensors, "_SETTLED", set())


def _days(instance: dg.DagsterInstance) -> list[str]:
    return list(instance.get_dynamic_partitions(str(DAYS.name)))


def _uploads(instance: dg.DagsterInstance, stores: Stores) -> list[dg.AssetMaterialization]:
    """Do a tick of the sensor of uploads; return the events that it reported, as the daemon does."""
    result = evaluate(inspect_uploads, instance, stores)
    for event in result.asset_events:
        instance.report_runless_asset_event(event)
    return list(result.asset_events)


def _statuses(instance: dg.DagsterInstance, batch: str) -> set[StaleStatus]:
    graph = defs.resolve_asset_graph()
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    return {resolver.get_status(asset.key, batch) for asset in OF_BATCHES}


def test_a_home_without_results_has_no_day_that_is_missing(stores: Stores, instance: dg.DagsterInstance) -> None:
    evaluate(count_statistics, instance, stores)
    for asset in OF_DAYS:
        assert asset.partitions_def is not None
        assert asset.partitions_def.get_partition_keys(dynamic_partitions_store=instance) == []


def test_a_day_becomes_a_partition_with_its_first_result(stores: Stores, instance: dg.DagsterInstance) -> None:
    published(stores)
    inspect(instance, stores, "b1", [lid()])
    (request,) = evaluate(count_statistics, instance, stores).run_requests
    assert _days(instance) == [request.partition_key] == [TODAY.isoformat()]


def test_the_days_of_an_older_home_become_partitions_at_the_first_tick_and_are_not_counted_again(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    published(stores)
    with stores.database.begin() as connection:
        counts = {"judged": 1, "passed": 1, "failed": 0, "undecided": 0, "corrected": 0, "seconds": 1.0}
        row = {"day": date(2026, 1, 2), "product": "lid", "item": "", "inspector": "", **counts}
        connection.execute(insert(schema.statistics).values(row))
    for asset in OF_DAYS:  # of another day, whose counts went with a batch
        instance.report_runless_asset_event(dg.AssetMaterialization(asset.key, partition="2025-12-31"))
    assert not evaluate(count_statistics, instance, stores).run_requests
    assert _days(instance) == ["2025-12-31", "2026-01-02"]
    for asset in OF_DAYS:
        assert instance.get_materialized_partitions(asset.key) == {"2025-12-31"}


def test_a_partition_that_is_no_day_fails_in_words(stores: Stores, instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions(str(DAYS.name), ["20260102"])
    request = dg.RunRequest(partition_key="20260102", asset_selection=[asset.key for asset in OF_DAYS])
    (failure, *_) = [event for event in execute(instance, stores, request).all_events if event.is_step_failure]
    told = failure.step_failure_data.user_failure_data
    assert told is not None
    assert "'20260102' is no day such as 2026-11-29: delete it" in str(told.description)


def test_each_version_of_an_upload_is_told_once_with_its_size(stores: Stores, instance: dg.DagsterInstance) -> None:
    published(stores)
    put(stores, "b1", [lid(), lid(spots=1)])
    (first,) = _uploads(instance, stores)
    assert (first.partition, first.metadata["pictures"].value) == ("lid-b1", 2)
    assert first.metadata["folder"].value == "uploads/inspection/lid/b1"
    assert _uploads(instance, stores) == [], "its run is not begun yet, and is requested again"
    inspect(instance, stores, "b1", [lid(), lid(spots=1)])
    put(stores, "b1", [lid(), lid(spots=2)])
    (second,) = _uploads(instance, stores)
    assert (second.partition, second.metadata["version"].value) == ("lid-b1", 2)


def test_uploads_from_before_dagster_knew_of_them_are_told_and_make_nothing_stale(
    stores: Stores, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "_UPLOADS", 2)
    published(stores)
    names = ["b1", "b2", "b3"]
    for name in names:
        inspect(instance, stores, name, [lid()])
    sensors._SETTLED.clear()
    told = [[event.partition for event in _uploads(instance, stores)] for _ in range(3)]
    assert told == [["lid-b1", "lid-b2"], ["lid-b3"], []]
    assert {status for name in names for status in _statuses(instance, f"lid-{name}")} == {StaleStatus.FRESH}


def test_what_follows_an_upload_is_fresh(stores: Stores, instance: dg.DagsterInstance) -> None:
    published(stores)
    put(stores, "b1", [lid()])
    result = evaluate(inspect_uploads, instance, stores)
    for event in result.asset_events:
        instance.report_runless_asset_event(event)
    (request,) = result.run_requests
    assert execute(instance, stores, request).success
    assert _statuses(instance, "lid-b1") == {StaleStatus.FRESH}
