"""Batches in a running stack: what rows and Dagster say of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from imageflow_assets.inspection.assets import OF_BATCHES
from imageflow_clients.database.inspection import batches, inspections
from imageflow_clients.stores import Stores
from imageflow_domain.inspection import Batch, BatchState, PictureResult, Verdict
from imageflow_inspection.runs import BATCH_TAG
from imageflow_inspection.verify import verify
from tests.e2e.stack import Stack, wait_for

_RUNS = """query($filter: RunsFilter!) {
    runsOrError(filter: $filter) { ... on Runs { results { runId status } } }
}"""
_TOLD = """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
    assetMaterializations(limit: 500) { partition runId } } } }"""


def assert_inspected_and_told(stack: Stack, stores: Stores, verdicts: Sequence[Verdict]) -> None:
    """Wait for the batch `b1` of lids; its results, one run's events and people's verdicts are reported once."""
    batch = await_reported(stack, stores, "lid", "b1", 120)
    found = results(stores, batch)
    assert [result.verdict for result in found] == list(verdicts)
    assert [run["status"] for run in runs(stack, batch)] == ["SUCCESS"]
    for asset in OF_BATCHES:
        name = asset.key.to_user_string()
        assert told(stack, name) == ["lid-b1"], name
    for result in found:
        verify(stores, result.inspection_id, result.picture.place, Verdict.PASS, inspector="ada")
    wait_for(lambda: told(stack, "human_verdicts") or None, 60, lambda: "no verdicts were reported")
    today = datetime.now(UTC).date().isoformat()
    wait_for(lambda: today in told(stack, "disagreements") or None, 120, lambda: "nothing was counted")
    assert told(stack, "human_verdicts") == ["lid-b1"]


def in_state(stores: Stores, product: str, name: str, state: BatchState) -> Batch | None:
    with stores.database.begin() as connection:
        found = batches.latest_of(connection, [(product, name)]).get((product, name))
    return found if found is not None and found.state is state else None


def await_reported(stack: Stack, stores: Stores, product: str, name: str, timeout_s: float) -> Batch:
    """Wait until a batch is inspected and Dagster knows of it."""

    def look() -> Batch | None:
        found = in_state(stores, product, name, BatchState.INSPECTED)
        if found is None or found.inspection_id is None:
            return None
        with stores.database.begin() as connection:
            done = inspections.get(connection, found.inspection_id).reported_at is not None
        over = all(run["status"] in {"SUCCESS", "FAILURE", "CANCELED"} for run in runs(stack, found))
        return found if done and over else None

    def describe() -> str:
        with stores.database.begin() as connection:
            return str(batches.page(connection, product=product, limit=5))

    return wait_for(look, timeout_s, describe)


def judged_some(stores: Stores, name: str, *, least: int) -> Batch | None:
    """Return a batch of parts once some of its pictures are judged."""
    with stores.database.begin() as connection:
        found = batches.latest_of(connection, [("part", name)]).get(("part", name))
    return found if found is not None and len(results(stores, found, finished=False)) >= least else None


def results(stores: Stores, batch: Batch, *, finished: bool = True) -> tuple[PictureResult, ...]:
    with stores.database.begin() as connection:
        made = inspections.of_batch(connection, batch.id)
        if finished:
            return inspections.results(connection, batch.inspection_id or 0, limit=1000)
        return inspections.results(connection, made[-1].id, limit=1000) if made else ()


def runs(stack: Stack, batch: Batch) -> list[dict[str, Any]]:
    found = stack.graphql(_RUNS, filter={"tags": [{"key": BATCH_TAG, "value": str(batch.id)}]})
    runs: list[dict[str, Any]] = found["runsOrError"]["results"]
    return runs


def told(stack: Stack, asset: str) -> list[str]:
    """Return the partitions of an asset's materialisations, one for each."""
    return [partition for partition, _ in told_by(stack, asset)]


def told_by(stack: Stack, asset: str) -> list[tuple[str, str]]:
    """Return partition and run of each of an asset's materialisations."""
    found = stack.graphql(_TOLD, key={"path": [asset]})["assetNodeOrError"]["assetMaterializations"]
    return [(event["partition"], event["runId"]) for event in found]


def all_told(stack: Stack, asset: str, keys: Sequence[str]) -> bool | None:
    return True if set(keys) <= set(told(stack, asset)) else None
