"""An operator who knows only Dagster's UI: its own GraphQL calls plan, materialise and show a survey."""

import json

import pytest

from tests.cli.here import within
from tests.e2e.dagster_ui import LAYERS, Ui
from tests.e2e.stack import Stack
from tests.e2e.watery import WATERY, assert_doubted

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
    for asset, count in (("coordinates", 6), ("overviews", 1)):
        checks = ui.checks(asset, example_survey)
        assert len(checks) == count
        for name, evaluations in checks.items():
            (one,) = evaluations
            assert (one.status, one.partition) == ("SUCCEEDED", example_survey), (name, one)


def test_every_partition_of_a_survey_by_command_line_is_fresh(ui: Ui, example_survey: str) -> None:
    assert {asset: ui.stale(asset, example_survey) for asset in LAYERS} == dict.fromkeys(LAYERS, "FRESH")


def test_an_operator_plans_a_survey_makes_a_block_of_it_alone_and_the_rest_step_by_step(ui: Ui) -> None:
    survey = ui.plan("by_hand", "4x4", parameters=WATERY, block_side=3)
    run = ui.materialise(["screenshots"], survey, config=_only_blocks("screenshots", "r05c05"))
    assert ui.run(run)["status"] == "FAILURE"
    assert ui.why(run) == f"'{survey}' has no block r05c05: its blocks are r00c00 to r01c01."
    assert _tasks(ui, survey) == (0, 15)

    run = ui.materialise(["screenshots"], survey, config=_only_blocks("screenshots", "r00c01"))
    assert ui.run(run)["status"] == "SUCCESS", ui.why(run)
    assert ui.materialised("screenshots", survey) == []
    assert _tasks(ui, survey) == (1, 15)

    tasks = {"screenshots": 4, "pair_offsets": 8, "coordinates": 9, "tiles": 13, "overviews": 14}
    for number, asset in enumerate(LAYERS, 1):
        run = ui.materialise([asset], survey)
        assert ui.run(run)["status"] == "SUCCESS", ui.why(run)
        if number < len(LAYERS):
            shown = ui.stack.await_state(survey, "planned", 30)
            assert shown["reason"] == f"{tasks[asset]} of 15 tasks are done. Materialise {LAYERS[number]} next."
    (made,) = ui.materialised("screenshots", survey)
    assert (made.shown["screenshots"], made.shown["taken_by_this_run"]) == (16, 16 - 3)
    ui.stack.await_state(survey, "completed", 30)
    assert {asset: ui.stale(asset, survey) for asset in LAYERS} == dict.fromkeys(LAYERS, "FRESH")
    assert_doubted(ui, survey)


@pytest.mark.parametrize("way", ["sensor", "command line"])
def test_a_check_that_fails_is_shown_as_failed_whoever_made_the_survey(ui: Ui, way: str) -> None:
    """An operator who materialises it, and one who backfills it, do so in other tests."""
    if way == "command line":
        with within(ui.stack.cli) as here:
            told = here.json(
                *("survey", "run", "--driver", "city", "--game", "city", "--save", "watery", "--grid", "4x4"),
                *(part for name, value in WATERY.items() for part in ("--set", f"{name}={json.dumps(value)}")),
                *("--lossless-method", "0"),
            )
        survey = str(told["survey"])
    else:
        survey = ui.plan("started", "4x4", parameters=WATERY, start=True)
    ui.stack.await_state(survey, "completed", 240)
    assert [run["status"] for run in ui.runs_of(survey)] == ["SUCCESS"]
    assert all(ui.materialised(asset, survey) for asset in LAYERS)
    assert {asset: ui.stale(asset, survey) for asset in LAYERS} == dict.fromkeys(LAYERS, "FRESH")
    assert_doubted(ui, survey)


def _tasks(ui: Ui, survey: str) -> tuple[int, int]:
    """Return how many tasks of a survey are done, and of how many."""
    counts = ui.stack.survey(survey)["counts"]
    return counts["tasks_done"], counts["tasks"]


def _only_blocks(layer: str, *blocks: str) -> dict[str, object]:
    return {"ops": {layer: {"config": {"blocks": list(blocks)}}}}
