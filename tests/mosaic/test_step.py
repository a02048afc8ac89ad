"""The step of a grid whose positions nobody knows."""

import pytest

from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Offset
from imageflow_domain.grid import Cell
from imageflow_mosaic.fingerprint import Fingerprint, fingerprint
from imageflow_mosaic.step import FrameStep, estimate_step
from tests.mosaic.worlds import land, real, view, water

WORLD = land(700, 900)
RIGHT, DOWN = Offset(dx_px=150, dy_px=0), Offset(dx_px=0, dy_px=110)


def frames(rows: int, cols: int, error_px: int = 0) -> dict[Cell, Fingerprint]:
    return {
        Cell(row=row, col=col): fingerprint(
            view(WORLD, 20 + 150 * col + error_px * (row % 2), 20 + 110 * row + error_px * (col % 2), 260, 220)
        )
        for row in range(rows)
        for col in range(cols)
    }


@pytest.mark.parametrize("name", ["openttd-small", "openttd-keys"])
def test_the_step_of_real_frames_is_found(name: str) -> None:
    survey = real(name, "nominal")
    corner = {
        cell: fingerprint(pixels) for cell, pixels in survey.pictures.items() if 1 <= cell.row < 3 and 1 <= cell.col < 4
    }
    step = estimate_step(corner)
    first, right, down = Cell(row=1, col=1), Cell(row=1, col=2), Cell(row=2, col=1)
    for found, true in ((step.right, survey.offset(first, right)), (step.down, survey.offset(first, down))):
        assert abs(found.dx_px - true.dx_px) <= 40
        assert abs(found.dy_px - true.dy_px) <= 40


def test_an_exact_grid_gives_the_exact_step() -> None:
    assert estimate_step(frames(2, 3)) == FrameStep(right=RIGHT, down=DOWN)


def test_errors_of_single_shots_even_out() -> None:
    step = estimate_step(frames(4, 4, error_px=9))
    assert abs(step.right.dx_px - RIGHT.dx_px) <= 9
    assert abs(step.down.dy_px - DOWN.dy_px) <= 9


def test_of_a_single_row_the_other_step_is_the_frames_height() -> None:
    assert estimate_step(frames(1, 3)) == FrameStep(right=RIGHT, down=Offset(dx_px=0, dy_px=220))


def test_of_a_single_column_the_other_step_is_the_frames_width() -> None:
    assert estimate_step(frames(3, 1)) == FrameStep(right=Offset(dx_px=260, dy_px=0), down=DOWN)


def test_diagonal_pairs_stand_in_for_a_missing_direction() -> None:
    known = frames(3, 2)
    del known[Cell(row=0, col=1)], known[Cell(row=1, col=0)], known[Cell(row=2, col=1)]
    with pytest.raises(InvalidInput, match="--step"):
        estimate_step(known)  # only diagonals are left: two steps cannot be told from one sum
    known = frames(3, 2)
    del known[Cell(row=1, col=0)], known[Cell(row=0, col=0)]
    assert estimate_step({cell: frame for cell, frame in known.items() if cell != Cell(row=2, col=1)}) == FrameStep(
        right=RIGHT, down=DOWN
    )


def test_open_water_asks_for_the_step() -> None:
    sea = fingerprint(water(220, 260))
    with pytest.raises(InvalidInput, match=r"side by side and one above the other.*--step X,Y"):
        estimate_step({Cell(row=row, col=col): sea for row in range(2) for col in range(2)})


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_pictures_ask_for_the_step(count: int) -> None:
    with pytest.raises(InvalidInput, match="--step X,Y"):
        estimate_step(dict(list(frames(1, 2).items())[:count]))
