"""An operator's bad day, by what Dagster's UI sends: a store that refuses, a lost object, a sensor that was off."""

import time

import httpx
import pytest

from imageflow_clients.database.maps import screenshots
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.grid import Block, Cell, Grid, block_of
from services.minio import Minio
from tests.e2e.dagster_operator.surveys import SMALL, assert_completed, await_screenshots, planned, written
from tests.e2e.dagster_ui import LAYERS, Ui
from tests.e2e.stack import EXAMPLE, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

SLOW = {**SMALL, "pace_s": 0.5}


def test_a_store_that_is_read_only_for_a_while_is_named_and_the_run_goes_on_from_failure(
    ui: Ui, stores: Stores, minio: Minio
) -> None:
    survey = planned(ui, stores, "read_only", "4x4", SLOW, keep="keep")
    run = ui.launch("__ASSET_JOB", assets=LAYERS, partition=survey)
    await_screenshots(ui, stores, survey, 2)
    minio.set_read_only(read_only=True)
    assert ui.await_end(run, 600) == "FAILURE"
    assert "give this account access" in ui.why(run)
    facts = ui.stack.await_state(survey, "failed", 60)
    assert facts["reason"] in ui.why(run)
    before = written(stores, survey)
    minio.set_read_only(read_only=False)
    again = ui.reexecute(run)
    assert ui.await_end(again, 240) == "SUCCESS", ui.why(again)
    assert_completed(ui, survey)
    assert {key: at for key, at in written(stores, survey).items() if key in before} == before


def test_a_screenshot_that_is_gone_is_named_with_its_block_and_healed_by_it(ui: Ui, stores: Stores) -> None:
    survey = planned(ui, stores, "lost", "6x2", SMALL, keep="keep", block_side=5)
    ui.materialise(["screenshots"], survey)
    lost = Cell(row=1, col=5)
    assert block_of(lost, 5) == Block(row=0, col=1)
    key = keys.screenshot(survey, lost)
    stores.objects.delete(key)
    assert key not in written(stores, survey)
    run = ui.materialise(["pair_offsets"], survey)
    assert ui.run(run)["status"] == "FAILURE"
    said = ui.why(run)
    assert f"No object at '{key}'" in said
    assert str(lost) in said
    assert "blocks: [r00c01]" in said
    assert ui.stack.await_state(survey, "failed", 60)["reason"] == said

    before = written(stores, survey)
    run = ui.materialise(["screenshots"], survey, config=_only_blocks("screenshots", "r00c01"))
    assert ui.run(run)["status"] == "SUCCESS", ui.why(run)
    now = written(stores, survey)
    assert now.keys() == {*before, key}
    left = Grid(rows=2, cols=6).cells_of(Block(row=0, col=0), 5)
    first = [keys.screenshot(survey, cell) for cell in left]
    assert [now[one] for one in first] == [before[one] for one in first]
    run = ui.materialise(LAYERS, survey)
    assert ui.run(run)["status"] == "SUCCESS", ui.why(run)
    assert_completed(ui, survey)
    with stores.database.begin() as connection:
        assert len(screenshots.stored(connection, survey)) == 12


def test_uploads_that_came_while_their_sensor_was_off_are_surveyed_once_it_is_on(ui: Ui) -> None:
    saves = [f"off_{number}" for number in range(2)]
    ui.switch("notice_map_uploads", on=False)
    for save in saves:
        _upload(ui, save)
    time.sleep(12)  # more than two ticks of the sensor
    assert [ui.stack.surveys(save) for save in saves] == [[]] * 2
    ui.switch("notice_map_uploads", on=True)
    surveys = [
        wait_for(lambda of=save: _survey_of(ui, of), 60, lambda of=save: f"no survey of {of} began") for save in saves
    ]
    for survey in surveys:
        ui.stack.await_state(survey, "completed", 240)
    assert_completed(ui, *surveys)
    assert [len(ui.stack.surveys(save)) for save in saves] == [1] * 2
    assert [len(ui.runs_of(survey)) for survey in surveys] == [1] * 2


def _upload(ui: Ui, save: str) -> None:
    """Put four of the example's frames, and the object that closes them."""
    batch = f"{ui.stack.gateway}/api/v1/uploads/maps/openttd/{save}/one"
    frames = {f"r{row:02d}_c{col:02d}.png" for row in range(2) for col in range(2)}
    for name in sorted(frames):
        assert httpx.put(f"{batch}/{name}", content=(EXAMPLE / name).read_bytes(), timeout=60).is_success
    assert httpx.put(f"{batch}/_DONE", content=b"", timeout=60).is_success


def _only_blocks(layer: str, *blocks: str) -> dict[str, object]:
    return {"ops": {layer: {"config": {"blocks": list(blocks)}}}}


def _survey_of(ui: Ui, save: str) -> str | None:
    return next(iter(ui.stack.surveys(save)), None)
