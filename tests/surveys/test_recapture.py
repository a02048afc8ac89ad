"""A map whose water is not sure is taken again, with shots half a step aside."""

from pathlib import Path
from typing import Any

import pytest

from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidInput, NotReady
from imageflow_domain.geometry import Offset, Position
from imageflow_domain.grid import Cell, neighbours_ahead
from imageflow_domain.placement import PlacementStatus
from imageflow_domain.survey import Carrier, Survey
from imageflow_mosaic.loops import open_loops
from imageflow_surveys import states
from imageflow_surveys.blocks import capture_blocks, register_blocks
from imageflow_surveys.place import place_survey
from imageflow_surveys.recapture import Recapture, bridging_positions, count_anchored, plan_recapture
from tests.mosaic.worlds import pair
from tests.surveys.cities import city, errors_of, placed, places_of, planned
from tests.surveys.cities import count_anchored as anchored_of
from tests.surveys.lossy_folders import lossless_folder, spec_of

LAKES: dict[str, Any] = {"grid": "8x8", "seed": 2, "water": 0.85, "view": [480, 384], "drift_px": 12}
"""Much water, whose waves repeat within reach of where the camera may be."""


@pytest.fixture(scope="module")
def lakes(stores: Stores) -> Survey:
    return placed(stores, city("lakes", **LAKES))[0]


@pytest.fixture(scope="module")
def again(stores: Stores, lakes: Survey) -> Recapture:
    return plan_recapture(stores, lakes.id, Carrier.OPERATOR)


def test_ambiguous_shots_become_anchored_and_exact_in_the_same_frame(
    stores: Stores, lakes: Survey, again: Recapture
) -> None:
    unsure = 64 - anchored_of(places_of(stores, lakes))
    assert unsure > 10
    assert len(again.unsure) == unsure
    assert again.survey.id == "city-lakes-0002"
    capture_blocks(stores, again.survey, again.survey.blocks())
    register_blocks(stores, again.survey, again.survey.blocks())
    result = place_survey(stores, again.survey)
    assert not result.new_frame
    assert result.mosaic.frame == lakes.placed().frame
    assert count_anchored(stores, again) >= unsure / 2
    places = places_of(stores, states.read(stores, again.survey.id))
    errors = errors_of(stores, again.survey, places)
    sure = [place for place in places if place.status is PlacementStatus.ANCHORED]
    assert all(errors[place.cell] == Offset(dx_px=0, dy_px=0) for place in sure)


def test_all_areas_are_taken_again_and_only_what_lies_around_unsure_ones_between(
    stores: Stores, lakes: Survey, again: Recapture
) -> None:
    with stores.database.begin() as connection:
        old = {area.cell: area.position for area in rows.areas(connection, lakes.id)}
        new = {area.cell: area.position for area in rows.areas(connection, again.survey.id)}
    assert all(new[Cell(row=2 * cell.row, col=2 * cell.col)] == position for cell, position in old.items())
    between = {cell for cell in new if cell.row % 2 or cell.col % 2}
    assert len(between) == again.bridging
    assert all(
        any(max(abs(cell.row - one.row), abs(cell.col - one.col)) == 1 for one in again.unsure) for cell in between
    )
    assert again.survey.block_side == 2 * lakes.block_side
    assert len(again.survey.blocks()) == len(lakes.blocks())


def test_bridging_shots_lie_in_the_middle_and_never_beyond_the_rim() -> None:
    commanded = {
        Cell(row=row, col=col): Position(x_px=50.0 * col, y_px=40.0 * row) for row in (0, 2) for col in (0, 2, 4)
    }
    found = bridging_positions(commanded, frozenset({Cell(row=0, col=0)}))
    assert found == {
        Cell(row=0, col=1): Position(x_px=50.0, y_px=0.0),
        Cell(row=1, col=0): Position(x_px=0.0, y_px=40.0),
        Cell(row=1, col=1): Position(x_px=50.0, y_px=40.0),
    }


def test_a_hole_is_stepped_over_and_a_shot_between_is_not() -> None:
    planned_ = {Cell(row=0, col=0), Cell(row=0, col=2), Cell(row=2, col=0), Cell(row=1, col=0), Cell(row=2, col=2)}
    found = set(neighbours_ahead(Cell(row=0, col=0), planned_, 10))
    assert found == {Cell(row=0, col=2), Cell(row=1, col=0), Cell(row=2, col=2)}


def test_nobody_beyond_the_next_block_is_asked() -> None:
    planned_ = {Cell(row=0, col=0), Cell(row=0, col=2)}
    assert list(neighbours_ahead(Cell(row=0, col=0), planned_, 1)) == []
    assert list(neighbours_ahead(Cell(row=0, col=0), planned_, 2)) == [Cell(row=0, col=2)]


def test_loops_over_holes_are_walked_too() -> None:
    a, b, c, d = (Cell(row=row, col=col) for row, col in ((1, 1), (1, 3), (3, 1), (3, 3)))
    right, down = Offset(dx_px=100, dy_px=0), Offset(dx_px=0, dy_px=80)
    sides = [pair(a, b, right), pair(a, c, down), pair(b, d, down), pair(c, d, right)]
    assert open_loops(sides) == ()
    (loop,) = open_loops([*sides[:3], pair(c, d, right + Offset(dx_px=2, dy_px=0))])
    assert set(loop.cells) == {a, b, c, d}


def test_a_survey_without_doubt_is_not_taken_again(stores: Stores) -> None:
    before, _ = placed(stores, city("sure", grid="3x3", seed=11, view=[480, 384]))
    with pytest.raises(InvalidInput, match="nothing to take again"):
        plan_recapture(stores, before.id, Carrier.OPERATOR)


def test_a_survey_that_is_not_placed_yet_says_so(stores: Stores) -> None:
    before = planned(stores, city("early", grid="3x3"))
    with pytest.raises(NotReady, match="materialise coordinates"):
        plan_recapture(stores, before.id, Carrier.OPERATOR)


def test_frames_of_a_folder_cannot_be_taken_again_elsewhere(stores: Stores, tmp_path: Path) -> None:
    folder = lossless_folder(tmp_path / "frames", "openttd-small", rows=2, cols=2)
    before, _ = placed(stores, spec_of(folder, "fixed"))
    with pytest.raises(InvalidInput, match="only goes to areas of its own grid"):
        plan_recapture(stores, before.id, Carrier.OPERATOR)
