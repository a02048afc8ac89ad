"""Links from the map's pages into Dagster's UI open the very run, asset and partition."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.stack import HTTP, Stack

pytestmark = pytest.mark.e2e

_RUN = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status assets { key { path } } } } }"


@pytest.fixture(scope="module")
def survey(stack: Stack) -> str:
    """A city that a job surveys in four blocks."""
    asked = {"game_id": "city_in_blocks", "save_data_id": "linked"}
    begun = HTTP.post(f"{stack.gateway}/api/jobs", json=asked, timeout=60).json()
    survey = str(begun["survey_id"])
    stack.await_state(survey, "completed", 300)
    return survey


def _get(stack: Stack, address: str) -> Any:
    answer = HTTP.get(f"{stack.gateway}{address}", timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_every_layer_of_every_block_names_a_run_that_made_it(stack: Stack, survey: str) -> None:
    blocks = _get(stack, f"/api/v1/surveys/{survey}/blocks")
    runs = {run["run_id"]: run for run in _get(stack, f"/api/v1/surveys/{survey}/runs")["runs"]}
    assert len(blocks["blocks"]) == 4
    for block in blocks["blocks"]:
        for layer in block["layers"]:
            run = runs[layer["run_id"]]
            assert run["status"] == "SUCCESS"
            assert layer["layer"] in run["layers"]
            told = stack.graphql(_RUN, id=layer["run_id"])["runOrError"]
            assert [layer["layer"]] in [asset["key"]["path"] for asset in told["assets"]]


def test_a_place_names_the_run_and_the_code_version_of_every_layer(stack: Stack, survey: str) -> None:
    bounds = _get(stack, f"/api/v1/surveys/{survey}")["bounds"]
    middle = {
        side: bounds[f"{side}_px"] + bounds[f"{long}_px"] // 2 for side, long in (("x", "width"), ("y", "height"))
    }
    told = _get(stack, f"/api/v1/surveys/{survey}/lineage?x={middle['x']}&y={middle['y']}")
    assert told["versions_known"]
    made = {one["layer"] for one in told["made_by"]}
    assert made == {"screenshots", "pair_offsets", "coordinates", "tiles", "overviews", "screenshot_cleanup"}
    runs = {run["run_id"]: run for run in _get(stack, f"/api/v1/surveys/{survey}/runs")["runs"]}
    for one in told["made_by"]:
        assert one["code_version"] == "1"
        assert one["layer"] in runs[one["run_id"]]["layers"]


def test_links_open_the_run_the_asset_and_the_partition(stack: Stack, survey: str, tab: Page) -> None:
    detail = _get(stack, f"/api/v1/surveys/{survey}")["dagster"]
    block = _get(stack, f"/api/v1/surveys/{survey}/blocks")["blocks"][1]
    tiles = block["layers"][2]
    tab.goto(tiles["run_url"])
    expect(tab.get_by_text(tiles["run_id"][:8]).first).to_be_visible()
    expect(tab.get_by_text("Success").first).to_be_visible()
    by_layer = {one["layer"]: one for one in detail["layers"]}
    tab.goto(by_layer["tiles"]["partition_url"])
    expect(tab.get_by_text("Latest materialization").first).to_be_visible()
    expect(tab.get_by_text(tiles["run_id"][:8]).first).to_be_visible()
    tab.goto(by_layer["coordinates"]["partition_url"])
    expect(tab.get_by_text("Latest materialization").first).to_be_visible()
    expect(tab.get_by_text("mosaic_px").first).to_be_visible()
    expect(tab.get_by_text(survey).first).to_be_visible()
    tab.goto(by_layer["tiles"]["asset_url"])
    expect(tab).to_have_url(re.compile("/assets/tiles"))
    expect(tab.get_by_text("Materialize").first).to_be_visible()
    tab.goto(detail["runs_url"])
    shown = tab.get_by_role("link", name=tiles["run_id"][:8])
    expect(shown.first).to_be_visible()
