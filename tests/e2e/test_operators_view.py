"""What an operator who knows Dagster's UI alone sees over a running stack: lineage, freshness, days, failed runs."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from imageflow_clients.dagster import LOCATION
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_inspection.manifests import close_batch
from tests.e2e.batches import await_reported, told
from tests.e2e.stack import HTTP, Stack, wait_for
from tests.inspection.lids import lid, published, upload

pytestmark = pytest.mark.e2e

_NODE = """query($key: AssetKeyInput!, $partition: String!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
    staleStatus(partition: $partition) dependencyKeys { path } partitionKeys
    owners { ... on TeamAssetOwner { team } } } } }"""
_LAUNCH = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } } } }"""
_SENSORS = """query($in: RepositorySelector!) { sensorsOrError(repositorySelector: $in) { ... on Sensors { results {
    name description sensorState { status ticks(limit: 20) { status error { message } } } } } } }"""
_REPOSITORY = {"repositoryLocationName": LOCATION, "repositoryName": "__repository__"}


@pytest.fixture
def home(stack: Stack) -> Iterator[Stores]:
    """The stores of the running stack."""
    stores = open_stores(Settings(home=stack.cli.home))
    yield stores
    stores.database.close()


def _node(stack: Stack, asset: str, partition: str) -> dict[str, Any]:
    node: dict[str, Any] = stack.graphql(_NODE, key={"path": [asset]}, partition=partition)["assetNodeOrError"]
    return node


def test_lineage_begins_at_the_upload_which_leaves_everything_fresh_and_only_today_is_a_day(
    stack: Stack, home: Stores
) -> None:
    published(home, "seen")
    upload(home, "seen", "b1", [lid(), lid(spots=1)])
    close_batch(home, "seen", "b1", now=datetime.now(UTC))
    await_reported(stack, home, "seen", "b1", 120)
    wait_for(
        lambda: "seen-b1" in told(stack, "inspection_uploads") or None,
        30,
        lambda: str(told(stack, "inspection_uploads")),
    )
    assert told(stack, "inspection_uploads").count("seen-b1") == 1
    images = _node(stack, "batch_images", "seen-b1")
    assert images["dependencyKeys"] == [{"path": ["inspection_uploads"]}]
    assert images["owners"] == [{"team": "inspection"}]
    for asset in ("inspection_uploads", "batch_images", "batch_rules", "inspection_results", "batch_report"):
        assert _node(stack, asset, "seen-b1")["staleStatus"] == "FRESH", asset
    today = datetime.now(UTC).date().isoformat()
    wait_for(lambda: today in told(stack, "disagreements") or None, 120, lambda: "nothing was counted")
    assert set(_node(stack, "disagreements", today)["partitionKeys"]) <= {today}, "no day is missing"


def test_a_run_that_fails_raises_one_alert_with_a_link_to_it(stack: Stack, home: Stores) -> None:
    config = {"ops": {"register_survey": {"config": {"game": "No Name", "save": "a", "grid": "3x3"}}}}
    selector = {**_REPOSITORY, "jobName": "plan_survey"}
    launched = stack.graphql(_LAUNCH, params={"selector": selector, "runConfigData": config, "mode": "default"})
    run = launched["launchRun"]["run"]["runId"]

    def alerts() -> list[dict[str, Any]] | None:
        listed = HTTP.get(f"{stack.gateway}/api/v1/alerts", timeout=30).json()["alerts"]
        return [alert for alert in listed if alert["details"].get("run") == run] or None

    (alert,) = wait_for(alerts, 90, lambda: str(stack.graphql(_SENSORS, **{"in": _REPOSITORY})))
    assert (alert["kind"], alert["product"], alert["batch_id"]) == ("run_failed", None, None)
    assert alert["details"]["url"] == f"{stack.dagster}/runs/{run}"
    assert "'No Name' is not a valid name" in alert["message"]
    assert HTTP.get(alert["details"]["url"], timeout=30).status_code == 200


def test_every_sensor_of_inspection_says_what_it_does(stack: Stack) -> None:
    sensors = stack.graphql(_SENSORS, **{"in": _REPOSITORY})["sensorsOrError"]["results"]
    said = {sensor["name"]: sensor["description"] for sensor in sensors}
    assert all(said[name] for name in ("inspect_uploads", "count_statistics", "alert_failed_runs")), said
