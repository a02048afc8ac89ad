"""An operator's bad day in Dagster's UI, click by click: a read-only store, a lost object, a sensor that was off.

Outside the browser is only what an operator does elsewhere: to the bucket, and uploads.
"""

import re

import httpx
import pytest
from playwright.sync_api import expect

from imageflow_clients.database.maps import screenshots
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.grid import Block, Cell, Grid, block_of
from services.minio import Minio
from tests.e2e.dagster_operator.surveys import SMALL, assert_completed, await_screenshots, planned, written
from tests.e2e.dagster_pages import Pages
from tests.e2e.dagster_ui import LAYERS, Ui
from tests.e2e.instances import sensors
from tests.e2e.stack import EXAMPLE, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

SLOW = {**SMALL, "pace_s": 1}
REFUSED = "give the account the right to write, or mend the bucket's name."
UPLOADS = "notice_map_uploads"


def _begin_and_forbid_to_write(pages: Pages, ui: Ui, stores: Stores, minio: Minio, save: str) -> tuple[str, str]:
    """Materialise a survey, and make the bucket read-only amid its screenshots; return survey and run."""
    survey = planned(ui, stores, save, "3x3", SLOW, keep="keep")
    run = pages.materialise(survey)
    await_screenshots(ui, stores, survey, 2)
    minio.set_read_only(read_only=True)
    return survey, run


def test_a_store_that_is_read_only_for_a_while_is_named_and_costs_a_survey_nothing_but_the_time(
    pages: Pages, ui: Ui, stores: Stores, minio: Minio
) -> None:
    survey, run = _begin_and_forbid_to_write(pages, ui, stores, minio, "read_only")
    pages.show_events("STEP_UP_FOR_RETRY")
    for wait in ("1.0", "2.0"):
        event = pages.page.get_by_text(f"failed and has requested a retry in {wait} seconds.").first
        expect(event).to_be_visible()
    expect(pages.page.get_by_text(REFUSED)).to_have_count(2)
    before = written(stores, survey)
    minio.set_read_only(read_only=False)
    pages.await_status("Success")
    assert [one["runId"] for one in ui.runs_of(survey)] == [run]
    assert_completed(ui, survey)
    assert {key: at for key, at in written(stores, survey).items() if key in before} == before
    pages.await_materialised("screenshots", survey, run)


def test_a_run_that_a_read_only_store_outlasts_fails_with_its_name_and_goes_on_from_failure(
    pages: Pages, ui: Ui, stores: Stores, minio: Minio
) -> None:
    survey, run = _begin_and_forbid_to_write(pages, ui, stores, minio, "read_only_long")
    pages.await_status("Failure")
    pages.show_events("STEP_FAILURE")
    expect(pages.page.get_by_text(REFUSED).first).to_be_visible()
    said = ui.why(run)
    assert said.endswith(REFUSED)
    ui.stack.await_state(survey, "failed", 60)
    expect(pages.show_partition("surveys", survey).get_by_text(said)).to_be_visible()
    before = written(stores, survey)
    minio.set_read_only(read_only=False)
    pages.open(f"/runs/{run}")
    again = pages.reexecute_from_failure()
    pages.await_status("Success")
    assert_completed(ui, survey)
    assert {key: at for key, at in written(stores, survey).items() if key in before} == before
    pages.await_materialised("screenshots", survey, again)


def test_a_screenshot_that_is_gone_is_named_with_the_configuration_that_heals_it(
    pages: Pages, ui: Ui, stores: Stores
) -> None:
    survey = planned(ui, stores, "lost", "6x2", SMALL, keep="keep", block_side=5)
    pages.materialise(survey, "/assets/screenshots")
    pages.await_status("Success")
    lost = Cell(row=1, col=5)
    assert block_of(lost, 5) == Block(row=0, col=1)
    key = keys.screenshot(survey, lost)
    stores.objects.delete(key)
    assert key not in written(stores, survey)
    run = pages.materialise(survey, "/assets/pair_offsets")
    pages.await_status("Failure")
    said = ui.why(run)
    expect(pages.page.get_by_text(said).first).to_be_visible()
    assert said.startswith(f"No object at '{key}', the screenshot of area {lost} of '{survey}': ")
    assert ui.stack.await_state(survey, "failed", 60)["reason"] == said
    page = pages.show_partition("pair_offsets", survey)
    expect(page.get_by_text(f"Run {run[:8]} failed, and did not materialize this asset.")).to_be_visible()

    before = written(stores, survey)
    found = re.search(r"\{ops: .*\}", said)
    assert found is not None
    pages.open_dialog("/assets/screenshots")
    pages.choose([survey])
    pages.configure(found[0])
    pages.launch()
    pages.await_status("Success")
    now = written(stores, survey)
    assert now.keys() == {*before, key}
    left = Grid(rows=2, cols=6).cells_of(Block(row=0, col=0), 5)
    first = [keys.screenshot(survey, cell) for cell in left]
    assert [now[one] for one in first] == [before[one] for one in first]
    run = pages.materialise(survey)
    pages.await_status("Success")
    assert_completed(ui, survey)
    for asset in ("pair_offsets", LAYERS[-1]):
        pages.await_materialised(asset, survey, run)
    with stores.database.begin() as connection:
        assert len(screenshots.stored(connection, survey)) == 12


def test_uploads_that_came_while_their_sensor_was_off_are_surveyed_once_it_is_on(pages: Pages, ui: Ui) -> None:
    saves = [f"off_{number}" for number in range(3)]
    pages.open_sensor(UPLOADS)
    pages.switch_sensor(on=False)
    _await_rest(ui, UPLOADS)
    for save in saves:
        _upload(ui, save)
    _await_ticks(ui, "inspect_uploads", 2)  # which comes as often
    assert [ui.stack.surveys(save) for save in saves] == [[]] * 3
    last = pages.open_sensor(UPLOADS).first.locator("td").first.inner_text()
    pages.switch_sensor(on=True)
    surveys = [
        wait_for(lambda of=save: _survey_of(ui, of), 60, lambda of=save: f"no survey of {of} began") for save in saves
    ]
    ticks = pages.open_sensor(UPLOADS)
    told = pages.read_tick(ticks.filter(has_text=last).locator("xpath=preceding-sibling::tr[1]"))
    expect(told.get_by_text("3 surveys begun by uploads.")).to_be_visible()
    for survey in surveys:
        ui.stack.await_state(survey, "completed", 240)
    assert_completed(ui, *surveys)
    assert [len(ui.stack.surveys(save)) for save in saves] == [1] * 3
    for survey in surveys:
        (run,) = ui.runs_of(survey)
        pages.await_materialised("overviews", survey, run["runId"])


def _await_rest(ui: Ui, switched_off: str) -> None:
    """Wait until no tick of a sensor goes on or is to come.

    The daemon reads all switches, then evaluates the sensors by threads: a tick may begin after its sensor was switched
    off, and last. Two ticks of another sensor lie two readings apart.
    """
    _await_ticks(ui, "inspect_uploads", 2)

    def rests() -> bool | None:
        (tick,) = sensors(ui.stack.dagster)[switched_off]["ticks"]
        return None if tick["status"] == "STARTED" else True

    wait_for(rests, 120, lambda: f"a tick of {switched_off} goes on")


def _await_ticks(ui: Ui, sensor: str, count: int) -> None:
    """Wait until a sensor has ticked so often from now on."""

    def newest() -> float:
        (tick,) = sensors(ui.stack.dagster)[sensor]["ticks"]
        return float(tick["timestamp"])

    seen = {newest()}

    def are_there() -> bool | None:
        seen.add(newest())
        return True if len(seen) > count else None

    wait_for(are_there, 120, lambda: f"ticks of {sensor}: {seen}")


def _upload(ui: Ui, save: str) -> None:
    """Put four of the example's frames, and the object that closes them."""
    batch = f"{ui.stack.gateway}/api/v1/uploads/maps/openttd/{save}/one"
    frames = {f"r{row:02d}_c{col:02d}.png" for row in range(2) for col in range(2)}
    for name in sorted(frames):
        assert httpx.put(f"{batch}/{name}", content=(EXAMPLE / name).read_bytes(), timeout=60).is_success
    assert httpx.put(f"{batch}/_DONE", content=b"", timeout=60).is_success


def _survey_of(ui: Ui, save: str) -> str | None:
    return next(iter(ui.stack.surveys(save)), None)
