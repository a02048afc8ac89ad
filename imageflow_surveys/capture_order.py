"""In which order areas are visited. Pure."""

from collections.abc import Sequence

from imageflow_domain.grid import Cell


def capture_order(cells: Sequence[Cell], *, at: Cell, step_by_step: bool) -> tuple[Cell, ...]:
    """Return the cells row by row; as a snake where a camera moves from area to area.

    The snake begins at the corner that is nearest to where the camera is, and goes along whole rows: where a world
    ends differs from row to row.

    Args:
        at: The cell where the camera is; row 0, column 0 after a start.
        step_by_step: Whether the way between two areas costs moves.
    """
    if not step_by_step or not cells:
        return tuple(sorted(cells))
    numbers = sorted({cell.row for cell in cells})
    if abs(at.row - numbers[-1]) < abs(at.row - numbers[0]):
        numbers.reverse()
    order: list[Cell] = []
    here = at
    for number in numbers:
        row = sorted(cell for cell in cells if cell.row == number)
        if abs(here.col - row[-1].col) < abs(here.col - row[0].col):
            row.reverse()
        order += row
        here = row[-1]
    return tuple(order)
