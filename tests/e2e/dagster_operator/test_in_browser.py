"""An operator's day in Dagster's UI, click by click in a real browser: every end is a map."""

import re
import time

import pytest
from playwright.sync_api import expect

from imageflow_clients.stores import Stores
from tests.e2e.dagster_operator.surveys import SMALL, assert_completed, await_screenshots, planned, written
from tests.e2e.dagster_pages import Pages
from tests.e2e.dagster_ui import LAYERS, Ui
from tests.e2e.watery import WATERY, assert_doubted

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

SLOW = "{view: [320, 256], drift_px: 8, paused: true, pace_s: 1}"


def _await_backfill(pages: Pages, backfill: str) -> None:
    """Wait on its own page, which follows it."""
    done = pages.open(f"/runs/b/{backfill}").get_by_text("100% completed")
    expect(done).to_have_count(len(LAYERS))


def test_a_planned_survey_is_materialised_cancelled_midway_and_goes_on_from_failure(
    pages: Pages, ui: Ui, stores: Stores
) -> None:
    survey = pages.plan("first", "4x4", SLOW, keep="keep")
    run = pages.materialise(survey)
    await_screenshots(ui, stores, survey, 2)
    pages.terminate()
    pages.await_status("Canceled")
    assert ui.stack.await_state(survey, "cancelled", 60)["reason"] == f"Run {run} was cancelled."
    before = written(stores, survey)
    assert 2 <= len(before) < 16
    pages.reexecute_from_failure()
    pages.await_status("Success")
    assert_completed(ui, survey)
    now = written(stores, survey)
    assert {key: at for key, at in now.items() if key in before} == before
    (made,) = ui.materialised("screenshots", survey)
    assert (made.shown["screenshots"], made.shown["taken_by_this_run"]) == (16, 16 - len(before))


def test_a_backfill_of_three_surveys_is_a_run_for_each_and_nothing_is_missing_after_it(
    pages: Pages, ui: Ui, stores: Stores
) -> None:
    surveys = [planned(ui, stores, f"three_{number}", "2x2", SMALL, keep="keep") for number in range(3)]
    pages.open_dialog()
    pages.choose(surveys)
    backfill = pages.backfill()
    _await_backfill(pages, backfill)
    assert ui.await_backfill(backfill) == "COMPLETED_SUCCESS"
    for survey in surveys:
        assert [run["status"] for run in ui.runs_of(survey)] == ["SUCCESS"]
    assert_completed(ui, *surveys)
    every = set(ui.stack.surveys())
    for asset in LAYERS:
        counted = ui.partitions(asset)
        assert counted.materialised >= set(surveys)
        assert counted.materialised | counted.failed | counted.missing == every


def test_only_failed_and_missing_surveys_are_backfilled_and_the_failed_check_of_one_is_shown(
    pages: Pages, ui: Ui, stores: Stores, whole: str
) -> None:
    before = ui.runs_of(whole)
    missing, failed = planned(ui, stores, "watery", "4x4", WATERY), planned(ui, stores, "failed", "2x2", SMALL)
    broken = pages.materialise(failed, "/assets/coordinates")
    pages.await_status("Failure")
    said = f"'{failed}' lacks screenshots of block r00c00: materialise these first."
    expect(pages.page.get_by_text(said).first).to_be_visible()
    assert ui.run(broken)["status"] == "FAILURE"
    assert ui.why(broken) == said
    ui.stack.await_state(failed, "failed", 60)
    counted = [ui.partitions(asset) for asset in LAYERS]
    assert counted[2].failed == {failed}
    assert {key for one in counted for key in one.failed | one.missing} == {failed, missing}

    dialog = pages.open_dialog()
    dialog.get_by_text("Failed and missing", exact=True).click()
    expect(dialog.get_by_text("2 partitions")).to_be_visible()
    assert {word for word in dialog.inner_text().split() if word.startswith("city-")} == {failed, missing}
    backfill = pages.backfill()
    _await_backfill(pages, backfill)
    assert ui.await_backfill(backfill) == "COMPLETED_SUCCESS"
    assert_completed(ui, whole, failed, missing)
    assert ui.runs_of(whole) == before, "no other survey was requested"
    assert [run["status"] for run in ui.runs_of(failed)] == ["SUCCESS", "FAILURE"]
    assert [run["status"] for run in ui.runs_of(missing)] == ["SUCCESS"]
    assert all(not ui.partitions(asset).failed for asset in LAYERS)
    assert_doubted(ui, missing)

    page = pages.open("/assets/coordinates?view=checks&checkDetail=mostly_anchored")
    for name in ("Execute all", "Execute"):
        expect(page.locator("button").filter(has_text=re.compile(f"^{name}$"))).to_be_disabled()
    pages.seen("Partitions").click()
    expect(pages.seen("Failed (1)")).to_be_visible()
    pages.seen(missing).click()
    expect(page.get_by_text("81% of 16 screenshots are anchored; 90% are wanted.", exact=False).first).to_be_visible()


def test_a_layer_that_is_whole_is_really_made_again_when_it_is_materialised(
    pages: Pages, ui: Ui, stores: Stores, whole: str
) -> None:
    before = written(stores, whole)
    time.sleep(1.1)  # the store tells seconds

    run = pages.materialise(whole, "/assets/tiles")
    pages.await_status("Success")
    newest, oldest, *_ = ui.materialised("tiles", whole)
    assert newest.run_id == run
    assert newest.shown["composed_native_tiles"] == oldest.shown["composed_native_tiles"] != 0
    assert newest.shown["squares_cut_by_this_run"] == oldest.shown["squares_cut_by_this_run"] != 0
    assert written(stores, whole) == before

    run = ui.materialise(["screenshots"], whole)
    assert ui.run(run)["status"] == "SUCCESS", ui.why(run)
    now = written(stores, whole)
    assert now.keys() == before.keys()
    assert all(now[key] != before[key] for key in before)
    facts = ui.stack.await_state(whole, "planned", 60)
    assert facts["reason"].endswith("Materialise pair_offsets next.")
    run = ui.materialise(LAYERS, whole)
    assert ui.run(run)["status"] == "SUCCESS", ui.why(run)
    assert written(stores, whole) == now, "what is missing alone was made"
    assert_completed(ui, whole)


def test_the_catalogue_shows_owners_kinds_columns_and_counts_surveys(pages: Pages, ui: Ui, whole: str) -> None:
    surveys = ui.stack.surveys()
    page = pages.open("/assets/coordinates")
    for told in ("Owners", "Kinds", "Postgres", "confidence", "Probability that the place is exact, 0 to 1."):
        expect(page.get_by_text(told, exact=True).first).to_be_visible()
    owner = page.get_by_text("Owners", exact=True).locator("xpath=../..")
    expect(owner.get_by_text("map", exact=True).first).to_be_visible()
    page = pages.open("/assets/coordinates?view=partitions")
    expect(page.get_by_text(f"Materialized ({len(surveys)})")).to_be_visible()
    for state in ("Failed", "Materializing", "Missing"):
        expect(page.get_by_text(f"{state} (0)")).to_be_visible()


def test_a_partition_that_somebody_added_without_a_survey_says_how_to_plan_one(pages: Pages, ui: Ui) -> None:
    dialog = pages.open_dialog("/assets/screenshots")
    dialog.get_by_text("Add a partition").click()
    adding = pages.page.locator(".bp5-dialog", has_text="Partition name")
    adding.get_by_role("textbox").fill("city-by_hand-0001")
    adding.locator("button", has_text="Save").click()
    try:
        run = pages.launch()
        pages.await_status("Failure")
        said = "There is no survey 'city-by_hand-0001': nobody planned it. Run the job plan_survey"
        expect(pages.page.get_by_text(said, exact=False).first).to_be_visible()
        assert said in ui.why(run)
        assert "delete this one" in ui.why(run)
    finally:
        ui.delete_partition("city-by_hand-0001")
