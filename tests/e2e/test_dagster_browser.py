"""An operator's day in Dagster's UI, click by click in a real browser."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.stand import CHROMIUM, running_browser
from tests.e2e.dagster_pages import PATIENCE_MS, Pages
from tests.e2e.dagster_ui import LAYERS, Ui
from tests.e2e.stack import Cli, Stack, environment, free_port, running_stack, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

SLOW = "{view: [320, 256], drift_px: 8, paused: true, pace_s: 1}"
SMALL = {"view": [320, 256], "drift_px": 8, "paused": True}
WATERY = {"view": [480, 384], "drift_px": 12, "paused": True, "water": 0.95, "seed": 2}
"""Of its 16 screenshots, 13 are anchored."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own: these tests count all partitions."""
    home = tmp_path_factory.mktemp("browsed") / ".imageflow"
    ports = {"IMAGEFLOW_GATEWAY_PORT": str(free_port()), "IMAGEFLOW_DAGSTER_PORT": str(free_port())}
    with running_stack(Cli(home=home, env=environment(home, **ports))) as running:
        yield running


@pytest.fixture(scope="module")
def pages(stack: Stack) -> Iterator[Pages]:
    if not Path(CHROMIUM).exists():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("chromium is not installed")
    with running_browser() as browser:
        page = browser.new_page(viewport={"width": 1500, "height": 1000})
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        yield Pages(stack, page)


@pytest.fixture
def ui(stack: Stack) -> Ui:
    return Ui(stack)


def _planned(ui: Ui, grid: str, cities: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Plan surveys of cities by their saves, all at once."""
    asked = {"game": "city", "driver": "city", "grid": grid}
    runs = [
        ui.launch(
            "plan_survey", config={"ops": {"register_survey": {"config": {**asked, "save": save, "parameters": city}}}}
        )
        for save, city in cities.items()
    ]
    assert [ui.await_end(run, 120) for run in runs] == ["SUCCESS"] * len(runs)
    return [f"city-{save}-0001" for save in cities]


def _completed(ui: Ui, survey: str) -> None:
    ui.stack.await_state(survey, "completed", 120)
    assert {asset: ui.stale(asset, survey) for asset in LAYERS} == dict.fromkeys(LAYERS, "FRESH")


def _await_screenshots(ui: Ui, survey: str, count: int) -> None:
    folder = ui.stack.cli.home / "objects"

    def are_there() -> bool | None:
        return True if len([*folder.glob(f"**/{survey}/screenshots/*")]) >= count else None

    wait_for(are_there, 120, lambda: f"{survey}: {ui.runs_of(survey)}", every_s=0.2)


def _await_backfill(pages: Pages, backfill: str) -> None:
    """Wait on its own page, which follows it."""
    done = pages.open(f"/runs/b/{backfill}").get_by_text("100% completed")
    expect(done).to_have_count(len(LAYERS))


def test_a_planned_survey_is_materialised_cancelled_midway_and_goes_on_from_failure(pages: Pages, ui: Ui) -> None:
    survey = pages.plan("first", "4x4", SLOW, keep="keep")
    run = pages.materialise(survey)
    _await_screenshots(ui, survey, 2)
    pages.terminate()
    pages.await_status("Canceled")
    assert ui.stack.await_state(survey, "cancelled", 60)["reason"] == f"Run {run} was cancelled."
    pages.reexecute_from_failure()
    pages.await_status("Success")
    _completed(ui, survey)
    (made,) = ui.materialised("screenshots", survey)
    assert made.shown["screenshots"] == 16
    assert 0 < int(made.shown["taken_by_this_run"]) <= 14


def test_three_surveys_are_backfilled_at_once(pages: Pages, ui: Ui) -> None:
    surveys = _planned(ui, "2x2", dict.fromkeys(("three_0", "three_1", "three_2"), SMALL))
    pages.open_dialog()
    pages.choose(surveys)
    _await_backfill(pages, pages.backfill())
    for survey in surveys:
        _completed(ui, survey)
        assert [run["status"] for run in ui.runs_of(survey)] == ["SUCCESS"]


def test_only_failed_and_missing_surveys_are_backfilled_and_the_failed_check_of_one_is_shown(
    pages: Pages, ui: Ui
) -> None:
    missing, failed = _planned(ui, "4x4", {"watery": WATERY, "failed": SMALL})
    pages.materialise(failed, "/assets/coordinates")
    pages.await_status("Failure")
    said = f"'{failed}' lacks screenshots of block r00c00: materialise these first."
    expect(pages.page.get_by_text(said).first).to_be_visible()

    dialog = pages.open_dialog()
    dialog.get_by_text("Failed and missing", exact=True).click()
    expect(dialog.get_by_text("2 partitions")).to_be_visible()
    assert {word for word in dialog.inner_text().split() if word.startswith("city-")} == {failed, missing}
    _await_backfill(pages, pages.backfill())
    for survey in (missing, failed):
        _completed(ui, survey)
    assert len(ui.runs_of("city-first-0001")) == 2, "nobody else was asked for"

    page = pages.open("/assets/coordinates?view=checks&checkDetail=mostly_anchored")
    for name in ("Execute all", "Execute"):
        expect(page.locator("button").filter(has_text=re.compile(f"^{name}$"))).to_be_disabled()
    pages.seen("Partitions").click()
    expect(pages.seen("Failed (1)")).to_be_visible()
    pages.seen(missing).click()
    expect(page.get_by_text("81% of 16 screenshots are anchored; 90% are wanted.", exact=False).first).to_be_visible()


def test_a_whole_layer_is_made_again_from_its_page(pages: Pages, ui: Ui) -> None:
    survey = "city-first-0001"
    (before,) = ui.materialised("tiles", survey)
    run = pages.materialise(survey, "/assets/tiles")
    pages.await_status("Success")
    newest, _ = ui.materialised("tiles", survey)
    assert newest.run_id == run
    assert newest.shown["squares_cut_by_this_run"] == before.shown["squares_cut_by_this_run"] != 0


def test_the_catalogue_shows_owners_kinds_columns_and_counts_surveys(pages: Pages, ui: Ui) -> None:
    surveys = ui.stack.cli.json("survey", "list")
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
    pages.launch()
    pages.await_status("Failure")
    said = "There is no survey 'city-by_hand-0001': nobody planned it. Run the job plan_survey"
    expect(pages.page.get_by_text(said, exact=False).first).to_be_visible()
