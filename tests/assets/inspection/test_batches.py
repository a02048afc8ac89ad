"""A batch's run makes its assets, shows what did not pass, checks it, and goes stale when its rules change."""

import os
import signal
import time
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from imageflow_assets.cancelling import cancelled_with_the_run
from imageflow_assets.definitions import build_defs, defs
from imageflow_assets.inspection import assets
from imageflow_assets.inspection.sensors import mark_stale_batches
from imageflow_clients.database.inspection import batches, inspections
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.inspection import BatchState, Inspection
from imageflow_inspection.inspect_batch import inspect_batch
from tests.assets.inspection.uploads import asked, execute, inspect, latest, put, shown
from tests.assets.runs import evaluate
from tests.inspection.lids import items, lid, next_master, published

PICTURES = [lid(), lid(spots=1), lid(), b"no picture"]


def test_one_run_makes_every_asset_of_a_batch_and_shows_what_did_not_pass(
    any_stores: Stores, instance: dg.DagsterInstance
) -> None:
    published(any_stores)
    batch = inspect(instance, any_stores, "b1", PICTURES)
    assert batch.state is BatchState.INSPECTED
    assert shown(instance, "batch_images")["pictures"] == 4
    assert shown(instance, "batch_images")["equal_pictures"] == 1
    assert [record["item"] for record in shown(instance, "batch_rules")["items"]] == ["spots", "length", "count"]
    results = shown(instance, "inspection_results")
    assert [results[name] for name in ("pictures", "passed", "failed", "undecided")] == [4, 2, 1, 1]
    report = shown(instance, "batch_report")
    assert [record["picture"] for record in report["not_passed"]] == ["p0001.png", "p0003.png"]
    assert report["pictures_with_defects"].count("data:image/jpeg;base64,") == 1, "what is no picture cannot be shown"
    assert "1 of 4 pictures of batch 'lid-b1' failed" in report["alerts"]


def test_checks_say_what_holds_and_warn_of_products_that_fail(stores: Stores, instance: dg.DagsterInstance) -> None:
    published(stores)
    put(stores, "b1", PICTURES)
    (request,) = asked(instance, stores)
    checks = {check.check_name: check for check in execute(instance, stores, request).get_asset_check_evaluations()}
    assert {name for name, check in checks.items() if not check.passed} == {"pictures_pass"}
    assert len(checks) == 6
    assert checks["pictures_pass"].severity is dg.AssetCheckSeverity.WARN


def test_a_check_fails_where_a_picture_is_not_what_was_taken(stores: Stores, instance: dg.DagsterInstance) -> None:
    published(stores)
    batch = inspect(instance, stores, "b1", [lid(), lid(spots=1)])
    with stores.database.begin() as connection:
        picture = batches.pictures(connection, batch.id)[1]
    for key in (picture.key, keys.inspection_upload_file("lid", "b1", picture.name)):
        stores.objects.put(key, lid(spots=2))
    again = dg.RunRequest(partition_key="lid-b1", asset_selection=[dg.AssetKey("batch_report")])
    checks = {each.check_name: each for each in execute(instance, stores, again).get_asset_check_evaluations()}
    assert not checks["checksums"].passed
    assert checks["checksums"].severity is dg.AssetCheckSeverity.ERROR
    assert "p0001.png" in str(checks["checksums"].description)
    assert checks["pictures_judged"].passed
    stores.objects.put(keys.inspection_upload_file("lid", "b1", picture.name), lid(spots=1))
    checks = {each.check_name: each for each in execute(instance, stores, again).get_asset_check_evaluations()}
    assert checks["checksums"].passed, "it was uploaded again"


def _stale(instance: dg.DagsterInstance, asset: str, batch: str) -> StaleStatus:
    graph = defs.resolve_asset_graph()
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    return resolver.get_status(dg.AssetKey(asset), batch)


def _tell(instance: dg.DagsterInstance, stores: Stores, cursor: str | None) -> tuple[list[str], str]:
    """Do a tick of the sensor that reports stale batches to Dagster, events included."""
    result = evaluate(mark_stale_batches, instance, stores, cursor)
    for event in result.asset_events:
        instance.report_runless_asset_event(event)
    return [event.partition for event in result.asset_events], result.cursor


def test_exactly_the_affected_batches_are_stale_until_they_are_inspected_again(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    published(stores)
    published(stores, "other")
    for name in ("b1", "b2"):
        inspect(instance, stores, name, [lid(), lid(spots=1)])
    old = latest(stores, "b1")
    told, cursor = _tell(instance, stores, None)
    assert told == []
    assert _stale(instance, "inspection_results", "lid-b1") is StaleStatus.FRESH
    next_master(stores, "other", items(most_spots=2))
    next_master(stores, "lid", items(most_spots=1))
    told, cursor = _tell(instance, stores, cursor)
    assert told == ["lid-b1", "lid-b2"]
    assert _tell(instance, stores, cursor)[0] == []
    for name in ("lid-b1", "lid-b2"):
        assert _stale(instance, "inspection_results", name) is StaleStatus.STALE
    again = dg.RunRequest(
        partition_key="lid-b1",
        asset_selection=[dg.AssetKey(name) for name in ("batch_rules", "inspection_results", "batch_report")],
    )
    assert execute(instance, stores, again).success
    assert _stale(instance, "inspection_results", "lid-b1") is StaleStatus.FRESH
    assert _stale(instance, "inspection_results", "lid-b2") is StaleStatus.STALE
    new = latest(stores, "b1")
    assert new.inspection_id != old.inspection_id
    with stores.database.begin() as connection:
        before, after = inspections.get_many(connection, [old.inspection_id or 0, new.inspection_id or 0]).values()
    assert (before.failed, before.master_version, after.failed, after.master_version) == (1, 1, 0, 2)
    next_master(stores, "lid", items())
    told, cursor = _tell(instance, stores, cursor)
    assert told == ["lid-b1", "lid-b2"]
    assert _stale(instance, "inspection_results", "lid-b1") is StaleStatus.STALE
    assert _stale(instance, "inspection_results", "lid-b2") is StaleStatus.FRESH, "it is judged by these rules"


def test_a_master_that_is_published_during_a_first_inspection_makes_its_results_stale(
    stores: Stores, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(stores)
    _, cursor = _tell(instance, stores, None)
    told: list[list[str]] = []

    def inspect_while_somebody_publishes(*arguments: Any, **named: Any) -> Inspection:
        return inspect_batch(*arguments, **named, watch=publish)

    def publish(done: int, of: int) -> None:
        if done == of:
            next_master(stores, "lid", items(most_spots=1))
            told.append(_tell(instance, stores, cursor)[0])

    monkeypatch.setattr(assets, "inspect_batch", inspect_while_somebody_publishes)
    inspect(instance, stores, "b1", [lid()])
    assert told == [[]], "the sensor passes over what is not inspected yet"
    assert _stale(instance, "inspection_results", "lid-b1") is StaleStatus.STALE
    monkeypatch.undo()
    again = dg.RunRequest(
        partition_key="lid-b1",
        asset_selection=[dg.AssetKey(name) for name in ("batch_rules", "inspection_results", "batch_report")],
    )
    assert execute(instance, stores, again).success
    assert _stale(instance, "inspection_results", "lid-b1") is StaleStatus.FRESH


def test_other_words_in_a_master_make_nothing_stale(stores: Stores, instance: dg.DagsterInstance) -> None:
    published(stores)
    inspect(instance, stores, "b1", [lid()])
    _, cursor = _tell(instance, stores, None)
    next_master(stores, "lid", [{**item, "name": "Other words"} for item in items()])
    _tell(instance, stores, cursor)
    assert _stale(instance, "inspection_results", "lid-b1") is StaleStatus.FRESH


@pytest.mark.parametrize(("dry_run", "requests"), [(True, 0), (False, 2)])
def test_an_operator_lists_what_is_stale_with_its_cost_and_has_it_inspected_again(
    stores: Stores, instance: dg.DagsterInstance, dry_run: bool, requests: int
) -> None:
    published(stores)
    for name in ("b1", "b2"):
        inspect(instance, stores, name, [lid(), lid(spots=1)])
    next_master(stores, "lid", items(most_spots=1))
    job = build_defs(resources={"stores": stores, "models": object()}).resolve_job_def("reinspect")
    config = {"ops": {"ask_for_inspection": {"config": {"product": "lid", "dry_run": dry_run}}}}
    result = job.execute_in_process(instance=instance, run_config=config)
    (output,) = [event for event in result.all_events if event.is_successful_output]
    told = {name: value.value for name, value in output.step_output_data.metadata.items()}
    assert (told["stale_batches"], told["pictures"]) == (2, 4)
    assert told["seconds_of_computing"] > 0
    asked_for = asked(instance, stores)
    assert len(asked_for) == requests
    for request in asked_for:
        assert execute(instance, stores, request).success
    assert asked(instance, stores) == []
    assert latest(stores, "b1").state is BatchState.INSPECTED


def _work_until_cancelled() -> None:
    with cancelled_with_the_run() as switch:
        os.kill(os.getpid(), signal.SIGINT)
        switch.wait(60)


def test_a_cancelled_run_stops_its_work_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    begun = time.monotonic()
    with pytest.raises(dg.DagsterExecutionInterruptedError):
        _work_until_cancelled()
    assert time.monotonic() - begun < 2
    assert signal.getsignal(signal.SIGINT) is before
