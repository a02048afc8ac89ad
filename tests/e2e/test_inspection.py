"""Batches put into the store of a running stack: inspected without a click, once, whatever is killed."""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import psutil
import pytest

from imageflow_clients.database import batches, inspections, reports
from imageflow_clients.inference.stored_models import ModelStore, OnnxModels
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.inspection import Batch, BatchState, Inspection, PictureResult, Verdict
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_inspection.manifests import close_batch
from imageflow_inspection.product_file import ProductFile, publish_product
from imageflow_inspection.runs import BATCH_ASSETS, BATCH_TAG
from imageflow_inspection.verify import verify
from imageflow_models.products import Split, draw
from imageflow_models.registering import register, shipped
from services.rclone import Rclone
from tests.clients.stores import set_variables
from tests.e2e.stack import Cli, Stack, environment, free_port, running_stack, wait_for
from tests.inspection.drawn import EXAMPLE
from tests.inspection.lids import items, lid, next_master, published, taken, upload

pytestmark = pytest.mark.e2e

_RUNS = """query($filter: RunsFilter!) {
    runsOrError(filter: $filter) { ... on Runs { results { runId status } } }
}"""
_TOLD = """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
    assetMaterializations(limit: 500) { partition runId } } } }"""
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


@pytest.fixture
def on_s3(tmp_path: Path, rclone: Rclone, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Stack, Stores]]:
    """A stack whose objects lie in a bucket, and in which a folder is closed after three quiet seconds."""
    set_variables(monkeypatch, rclone.environment)
    variables = {
        **rclone.environment,
        "IMAGEFLOW_OBJECT_STORE_URL": f"{rclone.environment['IMAGEFLOW_OBJECT_STORE_URL']}/inspection",
        "IMAGEFLOW_GATEWAY_PORT": str(free_port()),
        "IMAGEFLOW_DAGSTER_PORT": str(free_port()),
        "IMAGEFLOW_UPLOAD_QUIET_S": "3",
    }
    cli = Cli(home=tmp_path / "home", env=environment(tmp_path / "home", **variables))
    with running_stack(cli) as running:
        stores = open_stores(Settings(home=cli.home, object_store_url=variables["IMAGEFLOW_OBJECT_STORE_URL"]))
        yield running, stores
        stores.database.close()


def test_a_batch_in_the_folder_is_inspected_without_a_click_and_verified_as_one_event(
    stack: Stack, home: Stores
) -> None:
    published(home)
    upload(home, "lid", "b1", [lid(), lid(spots=1), lid(spots=2)])
    close_batch(home, "lid", "b1", now=datetime.now(UTC))
    _assert_inspected_and_told(stack, home, [Verdict.PASS, Verdict.FAIL, Verdict.FAIL])


@pytest.mark.timeout(600)
def test_a_batch_in_a_bucket_is_inspected_once_nobody_writes_to_it(on_s3: tuple[Stack, Stores]) -> None:
    stack, stores = on_s3
    published(stores)
    upload(stores, "lid", "b1", [lid(), lid(spots=1)])
    _assert_inspected_and_told(stack, stores, [Verdict.PASS, Verdict.FAIL])


def _assert_inspected_and_told(stack: Stack, stores: Stores, verdicts: Sequence[Verdict]) -> None:
    batch = _await_reported(stack, stores, "lid", "b1", 120)
    results = _results(stores, batch)
    assert [result.verdict for result in results] == list(verdicts)
    assert [run["status"] for run in _runs(stack, batch)] == ["SUCCESS"]
    for asset in BATCH_ASSETS:
        assert _told(stack, asset) == ["lid-b1"], asset
    for result in results:
        verify(stores, result.inspection_id, result.picture.place, Verdict.PASS, inspector="ada")
    wait_for(lambda: _told(stack, "human_verdicts") or None, 60, lambda: "no verdicts were told")
    today = datetime.now(UTC).date().isoformat()
    wait_for(lambda: today in _told(stack, "disagreements") or None, 120, lambda: "nothing was counted")
    assert _told(stack, "human_verdicts") == ["lid-b1"]


@pytest.mark.timeout(900)
def test_batches_that_wait_while_the_daemon_is_killed_are_inspected_once(stack: Stack, home: Stores) -> None:
    _publish_again(home)
    names = [f"killed{number}" for number in range(4)]
    for name in names:
        upload(home, "lid", name, [lid(), lid(spots=1)])
        close_batch(home, "lid", name, now=datetime.now(UTC))
        _kill(stack, "dagster._daemon")
    for name in names:
        batch = _await_reported(stack, home, "lid", name, 240)
        assert [run["status"] for run in _runs(stack, batch)] == ["SUCCESS"]
        assert (batch.version, batch.attempts) == (1, 0)


@pytest.mark.timeout(900)
def test_a_worker_that_is_killed_in_the_midst_of_a_batch_loses_and_doubles_nothing(stack: Stack, home: Stores) -> None:
    _publish_parts(home)
    products = [draw(Split.HELD_OUT, seed) for seed in range(200)]
    _upload_drawn(home, "killed", products)
    batch = wait_for(lambda: _judged_some(home, "killed", least=5), 240, lambda: "nothing was judged", every_s=0.05)
    before = _results(home, batch, finished=False)
    assert len(before) < len(products), "it must be killed in the midst"
    for worker in _workers(stack, batch):
        os.kill(worker, signal.SIGKILL)
    batch = _await_reported(stack, home, "part", "killed", 300)
    assert batch.attempts == 1
    assert sorted(run["status"] for run in _runs(stack, batch)) == ["FAILURE", "SUCCESS"]
    after = _results(home, batch)
    assert [result.picture.place for result in after] == list(range(len(products)))
    assert {result.picture.place: result.judged_at for result in before}.items() <= {
        result.picture.place: result.judged_at for result in after
    }.items(), "what was judged stays"
    assert _told(stack, "batch_report").count("part-killed") == 1


@pytest.mark.timeout(900)
def test_a_cancelled_run_ends_within_seconds_and_its_batch_says_so(stack: Stack, home: Stores) -> None:
    _publish_parts(home)
    _upload_drawn(home, "cancelled", [draw(Split.HELD_OUT, seed) for seed in range(300)])
    batch = wait_for(lambda: _judged_some(home, "cancelled", least=3), 240, lambda: "nothing was judged", every_s=0.05)
    (run,) = _runs(stack, batch)
    stack.graphql(_TERMINATE, runs=[run["runId"]])
    wait_for(
        lambda: True if _runs(stack, batch)[0]["status"] == "CANCELED" else None, 30, lambda: str(_runs(stack, batch))
    )
    judged = len(_results(home, batch, finished=False))
    assert judged < 300
    failed = wait_for(lambda: _in_state(home, "part", "cancelled", BatchState.FAILED), 60, lambda: "not given up")
    assert failed.reason == f"Run {run['runId']} was cancelled."
    assert len(_results(home, batch, finished=False)) == judged, "nobody goes on with it"


@pytest.mark.timeout(1800)
def test_a_backfill_over_fifty_batches_judges_each_once_by_the_changed_master(tmp_path: Path) -> None:
    ports = {"IMAGEFLOW_GATEWAY_PORT": str(free_port()), "IMAGEFLOW_DAGSTER_PORT": str(free_port())}
    cli = Cli(home=tmp_path / "home", env=environment(tmp_path / "home", **ports))
    home = open_stores(Settings(home=cli.home))
    published(home)
    old = {}
    for number in range(50):
        batch = taken(home, f"many{number:02d}", [lid(), lid(spots=1)])
        old[batch.key] = inspect_batch(home, batch.id)
        with home.database.begin() as connection:
            reports.set_reported(connection, old[batch.key].id)
    next_master(home, "lid", items(most_spots=1))
    with running_stack(cli) as stack:
        _backfill(stack, home, old)
    home.database.close()


def _backfill(stack: Stack, home: Stores, old: Mapping[str, Inspection]) -> None:
    keys = sorted(old)
    wait_for(lambda: _all_told(stack, "batch_rules", keys), 120, lambda: "Dagster was not told of the new rules")
    begun = stack.graphql(
        _BACKFILL,
        params={
            "assetSelection": [{"path": [asset]} for asset in BATCH_ASSETS],
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
    assert sorted(key for key in _told(stack, "inspection_results") if key in old) == keys, "each once"
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


def _in_state(stores: Stores, product: str, name: str, state: BatchState) -> Batch | None:
    with stores.database.begin() as connection:
        found = batches.latest_of(connection, [(product, name)]).get((product, name))
    return found if found is not None and found.state is state else None


def _await_reported(stack: Stack, stores: Stores, product: str, name: str, timeout_s: float) -> Batch:
    """Wait until a batch is inspected and Dagster knows of it."""

    def look() -> Batch | None:
        found = _in_state(stores, product, name, BatchState.INSPECTED)
        if found is None or found.inspection_id is None:
            return None
        with stores.database.begin() as connection:
            done = inspections.get(connection, found.inspection_id).reported_at is not None
        over = all(run["status"] in {"SUCCESS", "FAILURE", "CANCELED"} for run in _runs(stack, found))
        return found if done and over else None

    def describe() -> str:
        with stores.database.begin() as connection:
            return str(batches.page(connection, product=product, limit=5))

    return wait_for(look, timeout_s, describe)


def _judged_some(stores: Stores, name: str, *, least: int) -> Batch | None:
    """Return a batch of parts once some of its pictures are judged."""
    with stores.database.begin() as connection:
        found = batches.latest_of(connection, [("part", name)]).get(("part", name))
    return found if found is not None and len(_results(stores, found, finished=False)) >= least else None


def _results(stores: Stores, batch: Batch, *, finished: bool = True) -> tuple[PictureResult, ...]:
    with stores.database.begin() as connection:
        made = inspections.of_batch(connection, batch.id)
        if finished:
            return inspections.results(connection, batch.inspection_id or 0, limit=1000)
        return inspections.results(connection, made[-1].id, limit=1000) if made else ()


def _runs(stack: Stack, batch: Batch) -> list[dict[str, Any]]:
    found = stack.graphql(_RUNS, filter={"tags": [{"key": BATCH_TAG, "value": str(batch.id)}]})
    runs: list[dict[str, Any]] = found["runsOrError"]["results"]
    return runs


def _told(stack: Stack, asset: str) -> list[str]:
    """Return the partitions of an asset's materialisations, one for each."""
    found = stack.graphql(_TOLD, key={"path": [asset]})["assetNodeOrError"]["assetMaterializations"]
    return [event["partition"] for event in found]


def _all_told(stack: Stack, asset: str, keys: Sequence[str]) -> bool | None:
    return True if set(keys) <= set(_told(stack, asset)) else None


def _kill(stack: Stack, service: str) -> None:
    for child in psutil.Process(stack.process.pid).children():
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile
            if service in " ".join(child.cmdline()):
                child.kill()


def _workers(stack: Stack, batch: Batch) -> list[int]:
    """Return the processes that work on a batch: the only run's, as nothing else runs by now."""
    runs = [run for run in _runs(stack, batch) if run["status"] == "STARTED"]
    assert len(runs) == 1
    code = next(
        child for child in psutil.Process(stack.process.pid).children() if "api grpc" in " ".join(child.cmdline())
    )
    return [child.pid for child in code.children() if "resource_tracker" not in " ".join(child.cmdline())]
