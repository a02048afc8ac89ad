"""An operator who knows only Dagster's UI: its own GraphQL calls plan, materialise, backfill and show a survey."""

from collections.abc import Sequence
from typing import Any

import pytest

from imageflow_domain.grid import Block, Grid, block_of, forward_neighbours
from tests.e2e.stack import Stack, wait_for

pytestmark = pytest.mark.e2e

_LAUNCH = """
mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message } ... on RunConfigValidationInvalid { errors { message } } }
}"""
_RUN = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
_MATERIALIZED = """
query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  assetMaterializations(limit: 50) { partition runId metadataEntries { label
    ... on MarkdownMetadataEntry { mdStr } ... on IntMetadataEntry { intValue } } } } } }"""
_BACKFILL = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) { __typename
    ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } }
}"""
_BACKFILL_STATUS = """
query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"""
_CHECKS = """
query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode { assetChecksOrError {
  ... on AssetChecks { checks { name } } } } } }"""
_EXECUTIONS = """
query($key: AssetKeyInput!, $name: String!) {
  assetCheckExecutions(assetKey: $key, checkName: $name, limit: 100) { runId status } }"""


def _run(stack: Stack, params: dict[str, Any], timeout_s: float = 90) -> str:
    launched = stack.graphql(_LAUNCH, params=params)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run = launched["run"]["runId"]

    def ended() -> str | None:
        status: str = stack.graphql(_RUN, id=run)["runOrError"]["status"]
        return status if status in {"SUCCESS", "FAILURE", "CANCELED"} else None

    assert wait_for(ended, timeout_s, lambda: f"run {run}") == "SUCCESS"
    return str(run)


def _selector(job: str, assets: list[str] | None = None) -> dict[str, Any]:
    selector: dict[str, Any] = {
        "repositoryLocationName": "imageflow",
        "repositoryName": "__repository__",
        "jobName": job,
    }
    if assets:
        selector["assetSelection"] = [{"path": [asset]} for asset in assets]
    return selector


def _plan(stack: Stack, save: str, grid: str, **config: Any) -> str:
    before = {s["survey"] for s in stack.cli.json("survey", "list")}
    ops = {"register_survey": {"config": {"game": "city", "save": save, "driver": "city", "grid": grid, **config}}}
    _run(stack, {"selector": _selector("plan_survey"), "runConfigData": {"ops": ops}, "mode": "default"})
    (planned,) = {s["survey"] for s in stack.cli.json("survey", "list")} - before
    return str(planned)


def _materialise(stack: Stack, asset: str, partition: str) -> None:
    tags = [{"key": "dagster/partition", "value": partition}]
    if "|" in partition:
        block, survey = partition.split("|")
        tags += [
            {"key": "dagster/partition/block", "value": block},
            {"key": "dagster/partition/survey", "value": survey},
        ]
    _run(
        stack,
        {
            "selector": _selector("__ASSET_JOB", [asset]),
            "runConfigData": {},
            "mode": "default",
            "executionMetadata": {"tags": tags},
        },
    )


def test_a_survey_by_command_line_is_seen_with_numbers_preview_and_passed_checks(
    stack: Stack, example_survey: str
) -> None:
    for asset in ("screenshots", "pair_offsets", "tiles"):
        node = stack.graphql(_MATERIALIZED, key={"path": [asset]})["assetNodeOrError"]
        assert f"r00c00|{example_survey}" in {m["partition"] for m in node["assetMaterializations"]}
    overviews = stack.graphql(_MATERIALIZED, key={"path": ["overviews"]})["assetNodeOrError"]["assetMaterializations"]
    (mine,) = [m for m in overviews if m["partition"] == example_survey]
    shown = {entry["label"]: entry for entry in mine["metadataEntries"]}
    assert shown["mosaic"]["mdStr"].startswith("![")
    assert shown["tiles"]["intValue"] > 80
    for asset, checks in (("coordinates", 5), ("overviews", 1)):
        key = {"path": [asset]}
        made = stack.graphql(_MATERIALIZED, key=key)["assetNodeOrError"]["assetMaterializations"]
        (run,) = {m["runId"] for m in made if m["partition"] == example_survey}
        found = stack.graphql(_CHECKS, key=key)["assetNodeOrError"]["assetChecksOrError"]["checks"]
        assert len(found) == checks
        for check in found:
            executions = stack.graphql(_EXECUTIONS, key=key, name=check["name"])["assetCheckExecutions"]
            assert [e["status"] for e in executions if e["runId"] == run] == ["SUCCEEDED"], check["name"]


def test_an_operator_plans_and_materialises_a_survey_step_by_step(stack: Stack) -> None:
    survey = _plan(stack, "by_hand", "3x2")
    for asset in ("screenshots", "pair_offsets"):
        _materialise(stack, asset, f"r00c00|{survey}")
    _materialise(stack, "coordinates", survey)
    _materialise(stack, "tiles", f"r00c00|{survey}")
    for asset in ("overviews", "screenshot_cleanup"):
        _materialise(stack, asset, survey)
    stack.await_state(survey, "completed", 30)


def test_a_block_outside_the_surveys_grid_materialises_as_empty(stack: Stack) -> None:
    survey = _plan(stack, "outside", "2x2")
    _materialise(stack, "screenshots", f"r05c05|{survey}")
    assert stack.cli.json("survey", "show", survey)["tasks"].startswith("0 of")


def test_a_started_plan_is_carried_by_the_sensor(stack: Stack) -> None:
    survey = _plan(stack, "started", "3x3", start=True)
    stack.await_state(survey, "completed", 120)


def test_a_backfill_over_all_assets_makes_a_survey(stack: Stack) -> None:
    survey = _plan(stack, "backfilled", "2x2")
    block = f"r00c00|{survey}"
    per_asset = [
        {"assetKey": {"path": [asset]}, "partitions": {"ranges": [{"start": key, "end": key}]}}
        for asset, key in (
            ("screenshots", block),
            ("pair_offsets", block),
            ("coordinates", survey),
            ("tiles", block),
            ("overviews", survey),
            ("screenshot_cleanup", survey),
        )
    ]
    launched = stack.graphql(_BACKFILL, params={"partitionsByAssets": per_asset})["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched

    def ended() -> str | None:
        backfill = stack.graphql(_BACKFILL_STATUS, id=launched["backfillId"])["partitionBackfillOrError"]
        status: str = backfill["status"]
        return status if status not in {"REQUESTED"} else None

    assert wait_for(ended, 280, lambda: "the backfill") == "COMPLETED_SUCCESS"
    stack.await_state(survey, "completed", 30)


_WHEN = """
query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  assetMaterializations(limit: 1000) { partition timestamp } } } }"""


def _when(stack: Stack, asset: str, survey: str) -> dict[Block, list[float]]:
    """Return when each block of a survey was materialised, in seconds since 1970."""
    node = stack.graphql(_WHEN, key={"path": [asset]})["assetNodeOrError"]
    times: dict[Block, list[float]] = {}
    for event in node["assetMaterializations"]:
        key, _, owner = event["partition"].partition("|")
        if owner == survey:
            times.setdefault(Block.parse(key), []).append(float(event["timestamp"]) / 1000)
    return times


@pytest.mark.timeout(420)
def test_a_backfill_over_both_block_assets_registers_a_block_after_its_whole_halo(stack: Stack) -> None:
    """Beside it, in the same backfill, a part of the blocks of a survey of another size."""
    survey, other = _plan(stack, "halo", "6x6", block_side=2), _plan(stack, "halo_part", "4x4", block_side=2)
    blocks = Grid(rows=6, cols=6).blocks(2)
    part = [Block(row=0, col=0), Block(row=1, col=1)]

    def ranges(of: str, chosen: Sequence[Block]) -> list[dict[str, str]]:
        return [{"start": f"{block.key}|{of}", "end": f"{block.key}|{of}"} for block in chosen]

    per_asset = [
        {
            "assetKey": {"path": ["screenshots"]},
            "partitions": {"ranges": ranges(survey, blocks) + ranges(other, part)},
        },
        {"assetKey": {"path": ["pair_offsets"]}, "partitions": {"ranges": ranges(survey, blocks)}},
    ]
    launched = stack.graphql(_BACKFILL, params={"partitionsByAssets": per_asset})["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched

    def ended() -> str | None:
        backfill = stack.graphql(_BACKFILL_STATUS, id=launched["backfillId"])["partitionBackfillOrError"]
        status: str = backfill["status"]
        return status if status not in {"REQUESTED"} else None

    assert wait_for(ended, 380, lambda: "the backfill") == "COMPLETED_SUCCESS"
    taken, registered = _when(stack, "screenshots", survey), _when(stack, "pair_offsets", survey)
    assert set(taken) == set(registered) == set(blocks)
    for block, times in registered.items():
        halo = {
            block_of(near, 2)
            for cell in Grid(rows=6, cols=6).cells_of(block, 2)
            for near in (cell, *forward_neighbours(cell))
            if near.row < 6 and 0 <= near.col < 6
        }
        assert min(times) > max(min(taken[near]) for near in halo), block
    assert {block: len(times) for block, times in taken.items()} == dict.fromkeys(blocks, 1)
    assert set(_when(stack, "screenshots", other)) == set(part)
