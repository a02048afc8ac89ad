"""A stack on MinIO and PostgreSQL as its operator has it: everything by what Dagster's UI sends, every end a map."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr

from imageflow_clients.database import screenshots
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain import keys
from imageflow_domain.grid import Block, Cell, Grid, block_of
from services.minio import Minio
from services.postgres import Postgres
from tests.clients.stores import set_variables
from tests.e2e.dagster_ui import LAYERS, Check, Ui
from tests.e2e.servers import cli_on
from tests.e2e.stack import EXAMPLE, Stack, running_stack, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

SMALL = {"view": [320, 256], "drift_px": 8, "paused": True}
SLOW = {**SMALL, "pace_s": 0.5}
WATERY = {"view": [480, 384], "drift_px": 12, "paused": True, "water": 0.95, "seed": 2}
"""Of its 16 screenshots, 13 are anchored."""


@pytest.fixture(scope="module")
def operated(minio: Minio, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that nobody else has anything to do with."""
    with running_stack(cli_on(minio, postgres, tmp_path_factory.mktemp("operated"))) as running:
        yield running


@pytest.fixture
def ui(operated: Stack, minio: Minio) -> Iterator[Ui]:
    yield Ui(operated)
    minio.set_read_only(read_only=False)


@pytest.fixture
def stores(operated: Stack, minio: Minio, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stores]:
    set_variables(monkeypatch, minio.environment)
    env = operated.cli.env
    opened = open_stores(
        Settings(
            home=operated.cli.home,
            object_store_url=env["IMAGEFLOW_OBJECT_STORE_URL"],
            database_url=SecretStr(env["IMAGEFLOW_DATABASE_URL"]),
        )
    )
    yield opened
    opened.database.close()


def _completed(ui: Ui, *surveys: str) -> None:
    """Every partition of these is there and fresh, and the survey is published."""
    for survey in surveys:
        facts = ui.stack.await_state(survey, "completed", 60)
        assert facts["reason"] is None
        assert facts["revision"] is not None
        assert {asset: ui.stale(asset, survey) for asset in LAYERS} == dict.fromkeys(LAYERS, "FRESH")


def _objects(stores: Stores, survey: str) -> Mapping[str, object]:
    """Return when each screenshot was written, by its key."""
    return {one.key: one.last_modified for one in stores.objects.list(f"{keys.survey_prefix(survey)}/screenshots/")}


def _await_screenshots(ui: Ui, stores: Stores, survey: str, count: int) -> None:
    def are_there() -> bool | None:
        return True if len(_objects(stores, survey)) >= count else None

    wait_for(are_there, 120, lambda: f"{survey}: {ui.runs_of(survey)}", every_s=0.2)


def test_a_backfill_of_three_surveys_is_a_run_for_each_and_nothing_is_missing_after_it(ui: Ui) -> None:
    surveys = [ui.plan(f"three_{number}", "3x3", parameters=SMALL, keep="keep") for number in range(3)]
    assert ui.backfill(surveys) == "COMPLETED_SUCCESS"
    for survey in surveys:
        assert [run["status"] for run in ui.runs_of(survey)] == ["SUCCESS"]
    _completed(ui, *surveys)
    every = {one["survey"] for one in ui.stack.cli.json("survey", "list")}
    for asset in LAYERS:
        counted = ui.partitions(asset)
        assert counted.materialised >= set(surveys)
        assert counted.materialised | counted.failed | counted.missing == every


def test_a_run_that_is_cancelled_midway_goes_on_from_failure_where_it_stopped(ui: Ui, stores: Stores) -> None:
    survey = ui.plan("cancelled", "4x4", parameters=SLOW, keep="keep")
    run = ui.launch("__ASSET_JOB", assets=LAYERS, partition=survey)
    _await_screenshots(ui, stores, survey, 3)
    ui.cancel(run)
    assert ui.await_end(run, 60) == "CANCELED"
    facts = ui.stack.await_state(survey, "cancelled", 60)
    assert facts["reason"] == f"Run {run} was cancelled."
    before = _objects(stores, survey)
    assert 3 <= len(before) < 16
    again = ui.reexecute(run)
    assert ui.await_end(again, 240) == "SUCCESS", ui.why(again)
    _completed(ui, survey)
    now = _objects(stores, survey)
    assert {key: at for key, at in now.items() if key in before} == before
    (made,) = ui.materialised("screenshots", survey)
    assert (made.shown["screenshots"], made.shown["taken_by_this_run"]) == (16, 16 - len(before))


def test_a_backfill_of_what_failed_and_is_missing_leaves_the_others_alone(ui: Ui) -> None:
    whole, failed, missing = (ui.plan(f"some_{name}", "2x2", parameters=SMALL) for name in ("whole", "failed", "new"))
    first = ui.materialise(LAYERS, whole)
    broken = ui.materialise(["coordinates"], failed)
    assert ui.run(broken)["status"] == "FAILURE"
    assert ui.why(broken) == f"'{failed}' lacks screenshots of block r00c00: materialise these first."
    ui.stack.await_state(failed, "failed", 60)
    mine = {whole, failed, missing}
    counted = [ui.partitions(asset) for asset in LAYERS]
    assert counted[2].failed & mine == {failed}
    wanted = {key for one in counted for key in one.failed | one.missing} & mine
    assert wanted == {failed, missing}
    assert ui.backfill(sorted(wanted)) == "COMPLETED_SUCCESS"
    _completed(ui, whole, failed, missing)
    assert [run["runId"] for run in ui.runs_of(whole)] == [first]
    assert [run["status"] for run in ui.runs_of(failed)] == ["SUCCESS", "FAILURE"]
    assert [run["status"] for run in ui.runs_of(missing)] == ["SUCCESS"]
    assert all(not ui.partitions(asset).failed & mine for asset in LAYERS)


def test_a_layer_that_is_whole_is_really_made_again_when_it_is_materialised(ui: Ui, stores: Stores) -> None:
    survey = ui.plan("again", "3x3", parameters=SMALL, keep="keep")
    ui.materialise(LAYERS, survey)
    _completed(ui, survey)
    before = _objects(stores, survey)
    time.sleep(1.1)  # the store tells seconds

    run = ui.materialise(["tiles"], survey)
    assert ui.run(run)["status"] == "SUCCESS", ui.why(run)
    newest, oldest = ui.materialised("tiles", survey)
    assert newest.run_id == run
    assert newest.shown["composed_native_tiles"] == oldest.shown["composed_native_tiles"] != 0
    assert newest.shown["squares_cut_by_this_run"] == oldest.shown["squares_cut_by_this_run"] != 0
    assert _objects(stores, survey) == before

    run = ui.materialise(["screenshots"], survey)
    assert ui.run(run)["status"] == "SUCCESS", ui.why(run)
    now = _objects(stores, survey)
    assert now.keys() == before.keys()
    assert all(now[key] != before[key] for key in before)
    facts = ui.stack.await_state(survey, "planned", 60)
    assert facts["reason"].endswith("Materialise pair_offsets next.")
    run = ui.materialise(LAYERS, survey)
    assert ui.run(run)["status"] == "SUCCESS", ui.why(run)
    assert _objects(stores, survey) == now, "what is missing alone was made"
    _completed(ui, survey)


def test_a_store_that_is_read_only_for_a_while_is_named_and_the_run_goes_on_from_failure(
    ui: Ui, stores: Stores, minio: Minio
) -> None:
    survey = ui.plan("read_only", "4x4", parameters=SLOW, keep="keep")
    run = ui.launch("__ASSET_JOB", assets=LAYERS, partition=survey)
    _await_screenshots(ui, stores, survey, 2)
    minio.set_read_only(read_only=True)
    assert ui.await_end(run, 600) == "FAILURE"
    assert "give this account access" in ui.why(run)
    facts = ui.stack.await_state(survey, "failed", 60)
    assert facts["reason"] in ui.why(run)
    before = _objects(stores, survey)
    minio.set_read_only(read_only=False)
    again = ui.reexecute(run)
    assert ui.await_end(again, 240) == "SUCCESS", ui.why(again)
    _completed(ui, survey)
    assert {key: at for key, at in _objects(stores, survey).items() if key in before} == before


def test_a_screenshot_that_is_gone_is_named_with_its_block_and_healed_by_it(ui: Ui, stores: Stores) -> None:
    survey = ui.plan("lost", "12x2", parameters=SMALL, keep="keep")
    ui.materialise(["screenshots"], survey)
    lost = Cell(row=1, col=11)
    assert block_of(lost, 10) == Block(row=0, col=1)
    key = keys.screenshot(survey, lost)
    stores.objects.delete(key)
    assert key not in _objects(stores, survey)
    run = ui.materialise(["pair_offsets"], survey)
    assert ui.run(run)["status"] == "FAILURE"
    said = ui.why(run)
    assert f"No object at '{key}'" in said
    assert str(lost) in said
    assert "blocks: [r00c01]" in said
    assert ui.stack.await_state(survey, "failed", 60)["reason"] == said

    before = _objects(stores, survey)
    run = ui.materialise(["screenshots"], survey, config=_only_blocks("screenshots", "r00c01"))
    assert ui.run(run)["status"] == "SUCCESS", ui.why(run)
    now = _objects(stores, survey)
    assert now.keys() == {*before, key}
    left = Grid(rows=2, cols=12).cells_of(Block(row=0, col=0), 10)
    first = [keys.screenshot(survey, cell) for cell in left]
    assert [now[one] for one in first] == [before[one] for one in first]
    run = ui.materialise(LAYERS, survey)
    assert ui.run(run)["status"] == "SUCCESS", ui.why(run)
    _completed(ui, survey)
    with stores.database.begin() as connection:
        assert len(screenshots.stored(connection, survey)) == 24


def test_uploads_that_came_while_their_sensor_was_off_are_surveyed_once_it_is_on(ui: Ui, tmp_path: Path) -> None:
    saves = [f"off_{number}" for number in range(3)]
    folder = tmp_path / "frames"
    folder.mkdir()
    for row in range(2):
        for col in range(2):
            name = f"r{row:02d}_c{col:02d}.png"
            (folder / name).write_bytes((EXAMPLE / name).read_bytes())
    ui.switch("notice_map_uploads", on=False)
    for save in saves:
        ui.stack.cli.run("upload", str(folder), "--game", "openttd", "--save", save)
    time.sleep(12)  # more than two ticks of the sensor
    assert [ui.stack.cli.json("survey", "list", "--save", save) for save in saves] == [[]] * 3
    ui.switch("notice_map_uploads", on=True)
    surveys = [
        wait_for(lambda of=save: _survey_of(ui, of), 60, lambda of=save: f"no survey of {of} began") for save in saves
    ]
    for survey in surveys:
        ui.stack.await_state(survey, "completed", 240)
    _completed(ui, *surveys)
    assert [len(ui.stack.cli.json("survey", "list", "--save", save)) for save in saves] == [1] * 3
    assert [len(ui.runs_of(survey)) for survey in surveys] == [1] * 3


@pytest.mark.parametrize("way", ["sensor", "backfill", "by hand", "command line"])
def test_a_check_that_fails_is_shown_as_failed_whoever_made_the_survey(ui: Ui, way: str) -> None:
    save = f"watery_{way.replace(' ', '_')}"
    if way == "command line":
        told = ui.stack.cli.json(
            *("survey", "run", "--driver", "city", "--game", "city", "--save", save, "--grid", "4x4", "--seed", "2"),
            *(part for name, value in WATERY.items() if name != "seed" for part in ("--set", f"{name}={_text(value)}")),
        )
        survey = str(told["survey"])
    else:
        survey = ui.plan(save, "4x4", parameters=WATERY, start=way == "sensor")
    if way == "backfill":
        assert ui.backfill([survey]) == "COMPLETED_SUCCESS"
    if way == "by hand":
        run = ui.materialise(LAYERS, survey)
        assert ui.run(run)["status"] == "SUCCESS", ui.why(run)
    ui.stack.await_state(survey, "completed", 240)
    _completed(ui, survey)
    checks = ui.checks("coordinates", survey) | ui.checks("overviews", survey)
    (doubt,) = checks.pop("mostly_anchored")
    assert (doubt.status, doubt.partition, doubt.severity) == ("FAILED", survey, "WARN")
    assert doubt.description.startswith("81% of 16 screenshots are anchored; 90% are wanted.")
    assert {name: _told(found) for name, found in checks.items()} == {name: [("SUCCEEDED", survey)] for name in checks}
    assert len(checks) == 6


def _told(found: list[Check]) -> list[tuple[str, str]]:
    return [(check.status, check.partition) for check in found]


def _text(value: object) -> str:
    return str(value).lower().replace(" ", "")


def _only_blocks(layer: str, *blocks: str) -> dict[str, object]:
    return {"ops": {layer: {"config": {"blocks": list(blocks)}}}}


def _survey_of(ui: Ui, save: str) -> str | None:
    found = ui.stack.cli.json("survey", "list", "--save", save)
    return str(found[0]["survey"]) if found else None
