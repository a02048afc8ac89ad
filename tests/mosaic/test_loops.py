"""Loops of neighbouring offsets: closed where all are right, and named where one is not."""

import pytest

from imageflow_domain.geometry import Offset
from imageflow_domain.grid import Cell
from imageflow_domain.placement import PairOffset
from imageflow_mosaic.loops import open_loops
from tests.mosaic.test_placement import all_pairs, grid
from tests.mosaic.worlds import pair


def spoil(pairs: list[PairOffset], first: Cell, second: Cell) -> list[PairOffset]:
    return [
        pair(p.reference, p.moving, p.offset + Offset(dx_px=3, dy_px=-1))
        if (p.reference, p.moving) == (first, second)
        else p
        for p in pairs
    ]


def test_loops_of_right_offsets_close() -> None:
    assert open_loops(all_pairs(grid(5, 5))) == ()


def test_no_offsets_have_no_loops() -> None:
    assert open_loops([]) == ()


def test_a_wrong_offset_is_in_every_open_loop() -> None:
    first, second = Cell(row=1, col=1), Cell(row=1, col=2)
    loops = open_loops(spoil(all_pairs(grid(4, 4)), first, second))
    assert len(loops) == 4  # two triangles above it, two below
    assert all({first, second} <= set(loop.cells) for loop in loops)
    assert {(abs(loop.misclosure.dx_px), abs(loop.misclosure.dy_px)) for loop in loops} == {(3, 1)}
    assert str(loops[0]).startswith("r00_c")


@pytest.mark.parametrize("diagonals", [True, False])
def test_a_square_is_walked_as_a_whole_where_no_diagonal_divides_it(diagonals: bool) -> None:
    pairs = spoil(all_pairs(grid(2, 2)), Cell(row=0, col=0), Cell(row=0, col=1))
    if not diagonals:
        pairs = [p for p in pairs if p.reference.row == p.moving.row or p.reference.col == p.moving.col]
    assert sorted(len(loop.pairs) for loop in open_loops(pairs)) == ([3, 3] if diagonals else [4])
