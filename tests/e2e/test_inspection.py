"""Batches put into the store of a running stack: inspected without a click, once, through kills."""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import cv2
import psutil
import pytest

from imageflow_assets.inspection.assets import OF_BATCHES
from imageflow_clients.database.inspection import batches, inspections
from imageflow_clients.inference.stored_models import ModelStore, OnnxModels
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.inspection import Batch, BatchState, Inspection, Verdict
from imageflow_inspection.manifests import close_batch
from imageflow_inspection.product_file import ProductFile, publish_product
from imageflow_models.products import Split, draw
from imageflow_models.registering import register, shipped
from tests.e2e.batches import (
    all_told,
    assert_inspected_and_told,
    await_reported,
    in_state,
    judged_some,
    results,
    runs,
    told,
    told_by,
)
from tests.e2e.stack import Stack, wait_for
from tests.inspection.drawn import EXAMPLE
from tests.inspection.lids import items, lid, next_master, published, upload

pytestmark = pytest.mark.e2e

_DAEMON_KILLS = int(os.environ.get("IMAGEFLOW_DAEMON_KILLS", "2"))
"""`make soak` has four."""

_STALE = """query($key: AssetKeyInput!, $partition: String!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
    staleStatus(partition: $partition) } } }"""
_BACKFILL = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
_BACKFILLED = """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill { status } } }"""
_TERMINATE = """mutation($runs: [String!]!) { terminateRuns(runIds: $runs) { __typename } }"""


@pytest.fixture
def home(stack: Stack) -> Iterator[Stores]:
    """The stores of the running stack."""
    stores = open_stores(Settings(home=stack.cli.home))
    yield stores
    stores.database.close()


def test_a_batch_in_the_folder_is_inspected_without_a_click_and_verified_as_one_event(
    stack: Stack, home: Stores
) -> None:
    published(home)
    upload(home, "lid", "b1", [lid(), lid(spots=1), lid(spots=2)])
    close_batch(home, "lid", "b1", now=datetime.now(UTC))
    assert_inspected_and_told(stack, home, [Verdict.PASS, Verdict.FAIL, Verdict.FAIL])


@pytest.mark.timeout(900)
def test_batches_that_wait_while_the_daemon_is_killed_are_inspected_once(stack: Stack, home: Stores) -> None:
    _publish_again(home)
    names = [f"killed{number}" for number in range(_DAEMON_KILLS)]
    for name in names:
        upload(home, "lid", name, [lid(), lid(spots=1)])
        close_batch(home, "lid", name, now=datetime.now(UTC))
        _kill(stack, "dagster._daemon")
    for name in names:
        batch = await_reported(stack, home, "lid", name, 240)
        assert [run["status"] for run in runs(stack, batch)] == ["SUCCESS"]
        assert (batch.version, batch.attempts) == (1, 0)


@pytest.mark.timeout(900)
def test_a_worker_that_is_killed_in_the_midst_of_a_batch_loses_and_doubles_nothing(stack: Stack, home: Stores) -> None:
    _publish_parts(home)
    products = [draw(Split.HELD_OUT, seed) for seed in range(200)]
    _upload_drawn(home, "killed", products)
    batch = wait_for(lambda: judged_some(home, "killed", least=5), 240, lambda: "nothing was judged", every_s=0.05)
    before = results(home, batch, finished=False)
    assert len(before) < len(products), "it must be killed in the midst"
    for worker in _workers(stack, batch):
        os.kill(worker, signal.SIGKILL)
    batch = await_reported(stack, home, "part", "killed", 300)
    assert batch.attempts == 1
    assert sorted(run["status"] for run in runs(stack, batch)) == ["FAILURE", "SUCCESS"]
    after = results(home, batch)
    assert [result.picture.place for result in after] == list(range(len(products)))
    assert {result.picture.place: result.judged_at for result in before}.items() <= {
        result.picture.place: result.judged_at for result in after
    }.items(), "what was judged stays"
    assert told(stack, "batch_report").count("part-killed") == 1


@pytest.mark.timeout(900)
def test_a_cancelled_run_ends_within_seconds_and_its_batch_says_so(stack: Stack, home: Stores) -> None:
    _publish_parts(home)
    _upload_drawn(home, "cancelled", [draw(Split.HELD_OUT, seed) for seed in range(300)])
    batch = wait_for(lambda: judged_some(home, "cancelled", least=3), 240, lambda: "nothing was judged", every_s=0.05)
    (run,) = runs(stack, batch)
    stack.graphql(_TERMINATE, runs=[run["runId"]])
    wait_for(
        lambda: True if runs(stack, batch)[0]["status"] == "CANCELED" else None, 30, lambda: str(runs(stack, batch))
    )
    judged = len(results(home, batch, finished=False))
    assert judged < 300
    failed = wait_for(lambda: in_state(home, "part", "cancelled", BatchState.FAILED), 60, lambda: "not given up")
    assert failed.reason == f"Run {run['runId']} was cancelled."
    assert len(results(home, batch, finished=False)) == judged, "no run continues it"


@pytest.mark.timeout(1800)
def test_a_backfill_over_many_batches_judges_each_once_by_the_changed_master(
    stack: Stack, home: Stores, judged_before: Mapping[str, Inspection]
) -> None:
    old = judged_before
    next_master(home, "many", items(most_spots=1))
    keys = sorted(old)
    wait_for(lambda: all_told(stack, "batch_rules", keys), 120, lambda: "the new rules were not reported to Dagster")
    begun = stack.graphql(
        _BACKFILL,
        params={
            "assetSelection": [{"path": [*asset.key.path]} for asset in OF_BATCHES],
            "partitionNames": keys,
            "title": "changed",
        },
    )["launchPartitionBackfill"]
    assert begun["__typename"] == "LaunchBackfillSuccess", begun

    def over() -> bool | None:
        status = stack.graphql(_BACKFILLED, id=begun["backfillId"])["partitionBackfillOrError"]["status"]
        assert status in {"REQUESTED", "COMPLETED_SUCCESS"}, status
        return True if status == "COMPLETED_SUCCESS" else None

    wait_for(over, 1500, lambda: "the backfill goes on", every_s=2)
    made = sorted((key, run) for key, run in told_by(stack, "inspection_results") if key in old)
    assert [key for key, _ in made] == keys, f"each once: {made}"
    for key in keys:
        answer = stack.graphql(_STALE, key={"path": ["inspection_results"]}, partition=key)
        assert answer["assetNodeOrError"]["staleStatus"] == "FRESH"
    with home.database.begin() as connection:
        for key, before in old.items():
            batch = batches.get(connection, before.batch_id)
            both = inspections.of_batch(connection, batch.id)
            assert [(each.failed, each.master_version) for each in both] == [
                (1, before.master_version),
                (0, before.master_version + 1),
            ], key
            assert batch.inspection_id == both[1].id
            assert len(inspections.results(connection, before.id)) == 2, "old results stay readable"


def _publish_again(stores: Stores) -> None:
    """Let the newest master of lids be the usual one, whichever test came before."""
    with stores.database.begin() as connection:
        known = batches.latest_of(connection, [("lid", "b1")])
    if known:
        next_master(stores, "lid", items())
    else:
        published(stores)


def _publish_parts(stores: Stores) -> None:
    """Register the shipped models and the drawn parts that they judge; again, nothing changes."""
    for folder in shipped():
        register(ModelStore(stores.objects), folder)
    file = ProductFile.parse((EXAMPLE / "product.yaml").read_text())
    pipelines = [(EXAMPLE / name).read_text() for name in file.pipelines]
    publish_product(stores, file, pipelines, models=OnnxModels(ModelStore(stores.objects)))


def _upload_drawn(stores: Stores, name: str, products: Sequence[Any]) -> None:
    pictures = []
    for product in products:
        done, data = cv2.imencode(".png", cv2.cvtColor(product.pixels, cv2.COLOR_RGB2BGR))
        assert done
        pictures.append(data.tobytes())
    upload(stores, "part", name, pictures)
    close_batch(stores, "part", name, now=datetime.now(UTC))


def _kill(stack: Stack, service: str) -> None:
    for child in psutil.Process(stack.process.pid).children():
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile
            if service in " ".join(child.cmdline()):
                child.kill()


def _workers(stack: Stack, batch: Batch) -> list[int]:
    """Return the processes that work on a batch: the only run's, as nothing else runs by now."""
    started = [run for run in runs(stack, batch) if run["status"] == "STARTED"]
    assert len(started) == 1
    return stack.run_workers()
