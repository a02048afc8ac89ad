"""Planning a survey: numbers, masks, positions, and nothing at all where something is wrong."""

import csv
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import text

from game_capture.city import hud
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import BadFrames, InvalidInput
from imageflow_domain.geometry import Position, Rect, Size
from imageflow_domain.grid import Block, Cell, Grid
from imageflow_domain.grid_text import parse_block
from imageflow_domain.ports import Area
from imageflow_domain.survey import Carrier, DriverSpec, Keep, SurveySpec, SurveyState
from imageflow_surveys.plan import grid_of, least_overlap_px, plan_survey
from imageflow_surveys.remove import remove_survey
from tests.surveys.cities import city, driver_of_city, planned, published

EXAMPLE = Path(__file__).parents[2] / "examples" / "openttd-small"


def _folder(save: str, source: Path, **parameters: object) -> SurveySpec:
    return SurveySpec(
        game="frames", save=save, driver=DriverSpec(name="folder", parameters=parameters), source=str(source)
    )


def _write_frames(folder: Path, spec: SurveySpec) -> None:
    """Write every frame of a city by its cell's name, and no positions."""
    folder.mkdir()
    with driver_of_city(spec) as driver:
        for area in driver.areas(spec.grid):
            Image.fromarray(driver.grab(area).picture).save(folder / f"{area.cell}.png")


def _surveys_of(stores: Stores, game: str, save: str) -> int:
    with stores.database.begin() as connection:
        return len(rows.find(connection, game=game, save=save))


def test_surveys_of_a_save_are_numbered_and_a_deleted_number_is_never_used_again(stores: Stores) -> None:
    first, second = planned(stores, city("numbers")), planned(stores, city("numbers"))
    assert [first.id, second.id] == ["city-numbers-0001", "city-numbers-0002"]
    remove_survey(stores, second)
    remove_survey(stores, first)
    assert planned(stores, city("numbers")).id == "city-numbers-0003"


def test_a_planned_survey_has_its_driver_s_view_areas_and_blocks(stores: Stores) -> None:
    survey = planned(stores, city("laid_out", grid="5x3", block_side=2), Carrier.OPERATOR)
    with stores.database.begin() as connection:
        areas = rows.areas(connection, survey.id)
    assert areas == driver_of_city(survey.spec).areas(survey.spec.grid)
    assert survey.grid == Grid(rows=3, cols=5)
    assert survey.view == Size(width_px=320, height_px=256)
    assert survey.reach_px == 16
    assert survey.blocks() == tuple(Block(row=row, col=col) for row in (0, 1) for col in (0, 1, 2))
    assert (survey.state, survey.carrier) == (SurveyState.PLANNED, Carrier.OPERATOR)


def test_the_driver_s_head_up_display_becomes_the_survey_s_masks(stores: Stores) -> None:
    own = Rect(x_px=1, y_px=2, width_px=3, height_px=4)
    spec = city("masks", hud=True, view=[640, 512]).model_copy(update={"masks": (own,)})
    survey = planned(stores, spec)
    shown = hud.rectangles(Size(width_px=640, height_px=512))
    assert shown
    assert survey.spec.masks == (own, *shown)


def test_a_mask_that_names_the_head_up_display_already_is_not_doubled(stores: Stores) -> None:
    shown = hud.rectangles(Size(width_px=640, height_px=512))
    spec = city("masks_twice", hud=True, view=[640, 512]).model_copy(update={"masks": shown})
    assert planned(stores, spec).spec.masks == shown


@pytest.mark.parametrize(("asked", "kept"), [(None, Keep.DELETE), (Keep.KEEP, Keep.KEEP)])
def test_screenshots_that_a_driver_can_take_again_are_deleted_unless_asked_otherwise(
    stores: Stores, asked: Keep | None, kept: Keep
) -> None:
    assert planned(stores, city(f"kept_{kept}", keep=asked)).keep is kept


def test_frames_of_a_folder_are_kept(stores: Stores) -> None:
    assert planned(stores, _folder("kept", EXAMPLE)).keep is Keep.KEEP


def test_the_step_estimated_from_named_frames_is_the_true_one(stores: Stores, tmp_path: Path) -> None:
    spec = city("steps", grid="4x4", seed=21, drift_px=0)
    _write_frames(tmp_path / "frames", spec)
    survey = planned(stores, _folder("steps", tmp_path / "frames"))
    with stores.database.begin() as connection:
        estimated = {area.cell: area.position for area in rows.areas(connection, survey.id)}
    assert estimated == {area.cell: area.position for area in driver_of_city(spec).areas(spec.grid)}


def test_listed_positions_are_taken_as_they_are(stores: Stores) -> None:
    survey = planned(stores, _folder("listed", EXAMPLE))
    with stores.database.begin() as connection:
        areas = {area.file: area for area in rows.areas(connection, survey.id)}
    with (EXAMPLE / "positions.csv").open(newline="") as file:
        listed = list(csv.DictReader(file))
    assert len(listed) == len(areas) == 36
    for line in listed:
        area = areas[line["file"]]
        assert area.position is not None
        assert (area.cell.row, area.cell.col) == (int(line["row"]), int(line["col"]))
        assert (area.position.x_px, area.position.y_px) == (float(line["x"]), float(line["y"]))


@pytest.mark.parametrize(
    ("grid", "side", "blocks"),
    [("1000x10", 10, 100), ("10x1000", 10, 100), ("300x300", 10, 900), ("21x3", 2, 22), ("1000x1000", 10, 10_000)],
)
def test_a_grid_has_any_number_of_blocks_which_parse_again(grid: str, side: int, blocks: int) -> None:
    spec = city("any", grid=grid, block_side=side)
    assert spec.grid is not None
    laid = spec.grid.blocks(side)
    assert len(laid) == len({block.key for block in laid}) == blocks
    assert all(parse_block(block.key) == block for block in laid)


def test_blocks_are_ten_areas_wide_however_long_the_grid() -> None:
    spec = SurveySpec(game="city", save="long", driver=DriverSpec(name="city"), grid=Grid(rows=1, cols=1000))
    assert spec.block_side == 10


def test_a_long_grid_becomes_a_map(stores: Stores) -> None:
    survey = published(stores, city("corridor", grid="101x1", drift_px=2))
    assert (survey.block_side, len(survey.blocks())) == (10, 11)
    assert survey.is_published
    assert survey.placed().bounds.width_px > 20_000


def test_ninety_thousand_areas_are_planned_and_numbered_without_a_gap(stores: Stores) -> None:
    survey = planned(stores, city("vast", grid="300x300"))
    with stores.database.begin() as connection:
        numbers = {survey.area_id(area.cell) for area in rows.areas(connection, survey.id)}
        needed = connection.execute(
            text("SELECT max(id) FROM tile_dependencies, unnest(area_ids) AS id WHERE survey_id = :id"),
            {"id": survey.id},
        ).scalar_one()
    assert numbers == set(range(90_000))
    assert needed == 89_999


def test_areas_beyond_the_largest_grid_are_refused_with_what_to_do() -> None:
    at = Position(x_px=0, y_px=0)
    assert grid_of([Area(cell=Cell(row=999, col=2), position=at)]) == Grid(rows=1000, cols=3)
    with pytest.raises(InvalidInput, match=r"3 columns and 1001 rows .* at most 1000 of each: survey a part"):
        grid_of([Area(cell=Cell(row=1000, col=2), position=at)])


def test_a_bad_frame_registers_nothing_and_uses_no_number(stores: Stores, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    _write_frames(folder, city("unused", seed=21))
    whole = (folder / "r01_c01.png").read_bytes()
    (folder / "r01_c01.png").write_bytes(whole[:1000])
    (folder / "r02_c02.png").write_bytes(b"")
    with pytest.raises(BadFrames) as caught:
        planned(stores, _folder("bad", folder))
    assert {file.name for file in caught.value.files} == {"r01_c01.png", "r02_c02.png"}
    assert _surveys_of(stores, "frames", "bad") == 0
    for name in ("r01_c01.png", "r02_c02.png"):
        (folder / name).unlink()
    survey = planned(stores, _folder("bad", folder))
    assert survey.id == "frames-bad-0001"
    with stores.database.begin() as connection:
        assert len(rows.areas(connection, survey.id)) == 7


def test_what_goes_along_stands_or_falls_with_the_survey(stores: Stores) -> None:
    def fail(connection: object, survey: object) -> None:
        raise RuntimeError("the process ends here")

    with pytest.raises(RuntimeError):
        plan_survey(stores, city("along"), Carrier.SENSOR, along=fail)
    assert _surveys_of(stores, "city", "along") == 0
    assert planned(stores, city("along")).id == "city-along-0001"


def test_a_folder_that_is_not_absolute_is_refused(stores: Stores) -> None:
    with pytest.raises(InvalidInput, match="absolute"):
        planned(stores, _folder("relative", Path("examples/openttd-small")))


@pytest.mark.parametrize(
    ("mask", "why"),
    [
        (Rect(x_px=0, y_px=0, width_px=9999, height_px=9999), "cover the whole picture"),
        (Rect(x_px=5000, y_px=0, width_px=10, height_px=10), "outside the pictures"),
    ],
)
def test_masks_that_leave_nothing_or_lie_beside_the_picture_are_refused(stores: Stores, mask: Rect, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        plan_survey(stores, city("masked").model_copy(update={"masks": (mask,)}), Carrier.OPERATOR)


def test_the_narrowest_overlap_of_neighbours_is_known_as_far_as_their_places_are() -> None:
    view = Size(width_px=240, height_px=140)
    at = {
        Cell(row=0, col=0): Position(x_px=0.0, y_px=0.0),
        Cell(row=0, col=1): Position(x_px=160.0, y_px=2.0),
        Cell(row=1, col=0): Position(x_px=0.0, y_px=90.0),
    }
    assert least_overlap_px(view, at) == 50
    assert least_overlap_px(view, {**at, Cell(row=0, col=2): Position(x_px=500.0, y_px=0.0)}) == 0
    assert least_overlap_px(view, {Cell(row=0, col=0): None, Cell(row=0, col=1): None}) is None
