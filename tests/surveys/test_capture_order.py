"""The order in which areas are visited."""

from imageflow_domain.grid import Cell, Grid
from imageflow_surveys.capture_order import capture_order

CELLS = tuple(Grid(rows=3, cols=3).cells())


def _numbers(cells: tuple[Cell, ...]) -> list[tuple[int, int]]:
    return [(cell.row, cell.col) for cell in cells]


def test_a_camera_that_goes_anywhere_goes_row_by_row() -> None:
    at = Cell(row=2, col=2)
    assert capture_order(CELLS[::-1], at=at, step_by_step=False) == CELLS


def test_a_snake_begins_at_the_nearest_corner() -> None:
    order = capture_order(CELLS, at=Cell(row=4, col=4), step_by_step=True)
    assert _numbers(order) == [(2, 2), (2, 1), (2, 0), (1, 0), (1, 1), (1, 2), (0, 2), (0, 1), (0, 0)]


def test_what_is_missing_in_a_row_is_stepped_over() -> None:
    cells = (Cell(row=0, col=2), Cell(row=0, col=0), Cell(row=2, col=1), Cell(row=2, col=0))
    order = capture_order(cells, at=Cell(row=0, col=0), step_by_step=True)
    assert _numbers(order) == [(0, 0), (0, 2), (2, 1), (2, 0)]


def test_nothing_is_in_no_order() -> None:
    assert capture_order((), at=Cell(row=0, col=0), step_by_step=True) == ()
