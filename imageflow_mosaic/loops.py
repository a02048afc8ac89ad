"""Loops of neighbouring offsets: they add up to nothing, or one of their offsets is wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imageflow_domain.geometry import Offset
from imageflow_domain.grid import FORWARD
from imageflow_domain.placement import OpenLoop, PairOffset

CLOSED_PX = 0.5
"""Whole-pixel offsets of a closed loop add up to nothing; four measured fractions to less than half a pixel."""

_RIGHT, _LOWER_LEFT, _LOWER, _LOWER_RIGHT = range(len(FORWARD))

Side = tuple[int, int, int, int]
"""Row and column of a pair's first shot within a square of four, the pair's direction, and the sign it is walked in."""

TRIANGLES: tuple[tuple[Side, ...], ...] = (
    ((0, 0, _RIGHT, 1), (0, 1, _LOWER, 1), (0, 0, _LOWER_RIGHT, -1)),
    ((0, 0, _LOWER, 1), (1, 0, _RIGHT, 1), (0, 0, _LOWER_RIGHT, -1)),
    ((0, 0, _RIGHT, 1), (0, 1, _LOWER_LEFT, 1), (0, 0, _LOWER, -1)),
    ((0, 1, _LOWER_LEFT, 1), (1, 0, _RIGHT, 1), (0, 1, _LOWER, -1)),
)
QUAD: tuple[Side, ...] = ((0, 0, _RIGHT, 1), (0, 1, _LOWER, 1), (1, 0, _RIGHT, -1), (0, 0, _LOWER, -1))


@dataclass(frozen=True, kw_only=True, eq=False)
class Walked:
    """Every loop of one kind that has all its sides."""

    sides: NDArray[np.intp]
    """Numbers of the pairs, shape (loops, sides)."""
    dx_px: NDArray[np.float64]
    dy_px: NDArray[np.float64]
    """What each adds up to."""

    @property
    def off_px(self) -> NDArray[np.float64]:
        """The longer axis of what each adds up to."""
        return np.maximum(np.abs(self.dx_px), np.abs(self.dy_px))

    @property
    def is_closed(self) -> NDArray[np.bool_]:
        """Whether each adds up to nothing, to `CLOSED_PX`."""
        closed: NDArray[np.bool_] = self.off_px <= CLOSED_PX
        return closed


def walk(pairs: Sequence[PairOffset]) -> Iterator[Walked]:
    """Walk around every triangle of neighbours, and around every quad that no diagonal divides.

    Pairs that step over a hole are neighbours in one of the four lattices of every other row and column; loops are
    sought in each lattice.
    """
    if not pairs:
        return
    cells = np.array([(p.reference.row, p.reference.col, p.moving.row, p.moving.col) for p in pairs], np.int64)
    offsets = np.array([(p.dx_px, p.dy_px) for p in pairs], np.float64)
    steps = np.abs(cells[:, 2:] - cells[:, :2]).max(axis=1)
    yield from _walk(cells, offsets, np.flatnonzero(steps == 1))
    parity = cells[:, :2] % 2
    for row, col in ((0, 0), (0, 1), (1, 0), (1, 1)):
        lattice = np.flatnonzero((steps == 2) & (parity == (row, col)).all(axis=1))
        yield from _walk((cells - (row, col, row, col)) // 2, offsets, lattice)


def _walk(cells: NDArray[np.int64], offsets: NDArray[np.float64], chosen: NDArray[np.intp]) -> Iterator[Walked]:
    """Walk around the loops of one lattice, of the pairs `chosen` by number."""
    if chosen.size == 0:
        return
    table = _table(cells, chosen)
    undivided = (_side(table, (0, 0, _LOWER_RIGHT, 1)) < 0) & (_side(table, (0, 1, _LOWER_LEFT, 1)) < 0)
    for kind in (*TRIANGLES, QUAD):
        sides = np.stack([_side(table, side) for side in kind], axis=-1)
        there = (sides >= 0).all(axis=-1)
        if kind is QUAD:
            there &= undivided
        numbers = sides[there]
        signs = np.array([sign for *_, sign in kind])
        sums = (offsets[numbers] * signs[:, None]).sum(axis=1)
        yield Walked(sides=numbers, dx_px=sums[:, 0], dy_px=sums[:, 1])


def open_loops(pairs: Sequence[PairOffset]) -> tuple[OpenLoop, ...]:
    """Return every triangle or undivided quad of neighbouring offsets that does not close, row by row."""
    found = [
        OpenLoop(
            pairs=tuple(pairs[side] for side in loops.sides[number]),
            misclosure=Offset(dx_px=round(float(loops.dx_px[number])), dy_px=round(float(loops.dy_px[number]))),
        )
        for loops in walk(pairs)
        for number in np.flatnonzero(~loops.is_closed)
    ]
    return tuple(sorted(found, key=lambda loop: loop.cells))


def _table(cells: NDArray[np.int64], chosen: NDArray[np.intp]) -> NDArray[np.intp]:
    """Numbers of the chosen pairs by direction and first cell, -1 where there is none; with one spare row and column.

    Args:
        cells: Of all pairs: the first one's row and column, and the second one's.
    """
    rows, cols, to_rows, to_cols = cells[chosen].T
    steps = {step: direction for direction, step in enumerate(FORWARD)}
    away = zip((to_rows - rows).tolist(), (to_cols - cols).tolist(), strict=True)
    directions = np.array([steps.get(step, -1) for step in away])
    rows, cols = rows - rows.min(), cols - cols.min()
    table = np.full((len(FORWARD), rows.max() + 2, cols.max() + 3), -1, np.intp)
    known = directions >= 0
    # Lower-left pairs begin one column right of their square: one spare column on the left keeps all of them.
    table[directions[known], rows[known], cols[known] + 1] = chosen[known]
    return table


def _side(table: NDArray[np.intp], side: Side) -> NDArray[np.intp]:
    row, col, direction, _ = side
    height, width = table.shape[1:]
    return table[direction, row : height - 1 + row, col : width - 1 + col]
