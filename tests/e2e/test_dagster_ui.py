"""An operator who knows only Dagster's UI: its own GraphQL calls plan, materialise, backfill and show a survey."""

import pytest

from tests.e2e.dagster_ui import LAYERS, Ui
from tests.e2e.stack import Stack

pytestmark = pytest.mark.e2e


@pytest.fixture
def ui(stack: Stack) -> Ui:
    return Ui(stack)


def test_a_survey_by_command_line_is_seen_with_numbers_preview_and_passed_checks(ui: Ui, example_survey: str) -> None:
    (run,) = {ui.materialised(asset, example_survey)[0].run_id for asset in LAYERS}
    assert [one["runId"] for one in ui.runs_of(example_survey)] == [run]
    (mine,) = ui.materialised("overviews", example_survey)
    assert str(mine.shown["mosaic"]).startswith("![")
    assert int(mine.shown["tiles"]) > 80
    assert mine.shown["published"] == "yes"
    for asset, count in (("coordinates", 5), ("overviews", 1)):
        checks = ui.checks(asset, example_survey)
        assert len(checks) == count
        for name, evaluations in checks.items():
            (one,) = evaluations
            assert (one.status, one.partition) == ("SUCCEEDED", example_survey), (name, one)


def test_every_partition_of_a_survey_by_command_line_is_fresh(ui: Ui, example_survey: str) -> None:
    assert {asset: ui.stale(asset, example_survey) for asset in LAYERS} == dict.fromkeys(LAYERS, "FRESH")


def test_an_operator_plans_and_materialises_a_survey_step_by_step(ui: Ui) -> None:
    survey = ui.plan("by_hand", "3x2")
    for number, asset in enumerate(LAYERS, 1):
        run = ui.materialise([asset], survey)
        assert ui.run(run)["status"] == "SUCCESS", ui.why(run)
        if number < len(LAYERS):
            shown = ui.stack.await_state(survey, "planned", 30)
            assert shown["reason"] == f"{number} of 6 tasks are done. Materialise {LAYERS[number]} next."
    ui.stack.await_state(survey, "completed", 30)
    assert {asset: ui.stale(asset, survey) for asset in LAYERS} == dict.fromkeys(LAYERS, "FRESH")


def test_a_layer_before_its_turn_says_which_one_comes_first(ui: Ui) -> None:
    survey = ui.plan("too_soon", "2x2")
    run = ui.materialise(["coordinates"], survey)
    assert ui.run(run)["status"] == "FAILURE"
    assert ui.why(run) == (f"'{survey}' lacks screenshots of block r00c00: materialise these first.")


def test_a_partition_that_nobody_planned_says_so(ui: Ui) -> None:
    run = ui.materialise(["screenshots"], "city-unplanned-0001")
    assert ui.run(run)["status"] == "FAILURE"
    assert "There is no survey 'city-unplanned-0001': nobody planned it. Run the job plan_survey" in ui.why(run)


def test_a_block_outside_the_surveys_grid_is_refused_with_those_that_there_are(ui: Ui) -> None:
    survey = ui.plan("outside", "12x12")
    run = ui.materialise(["screenshots"], survey, config=only_blocks("screenshots", "r05c05"))
    assert ui.run(run)["status"] == "FAILURE"
    assert ui.why(run) == f"'{survey}' has no block r05c05: its blocks are r00c00 to r01c01."
    assert ui.stack.cli.json("survey", "show", survey)["tasks"].startswith("0 of")


def test_a_run_limited_to_a_block_makes_it_alone(ui: Ui) -> None:
    survey = ui.plan("limited", "12x12", parameters={"view": [320, 256], "drift_px": 8})
    run = ui.materialise(["screenshots"], survey, config=only_blocks("screenshots", "r00c01"))
    assert ui.run(run)["status"] == "SUCCESS", ui.why(run)
    assert ui.materialised("screenshots", survey) == []
    assert ui.stack.cli.json("survey", "show", survey)["tasks"].startswith("1 of 15")
    run = ui.materialise(["screenshots"], survey)
    assert ui.run(run)["status"] == "SUCCESS", ui.why(run)
    (made,) = ui.materialised("screenshots", survey)
    assert (made.shown["screenshots"], made.shown["taken_by_this_run"]) == (144, 144 - 20)


def test_a_started_plan_is_made_by_the_sensor_in_one_run(ui: Ui) -> None:
    survey = ui.plan("started", "3x3", start=True)
    ui.stack.await_state(survey, "completed", 180)
    assert [run["status"] for run in ui.runs_of(survey)] == ["SUCCESS"]
    assert all(ui.materialised(asset, survey) for asset in LAYERS)


def only_blocks(layer: str, *blocks: str) -> dict[str, object]:
    return {"ops": {layer: {"config": {"blocks": list(blocks)}}}}
