"""A shape of any form becomes few rectangles that enclose it."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from imageflow_domain.geometry import Rect

_WELL_FILLED = 0.6
"""Share of a rectangle that a shape must fill; of a shape that fills less, such as an L, several are made."""

_CELL_PX = 8
"""Such a shape is divided in cells of this side."""

Mask = NDArray[np.bool_]
Slices = tuple[slice, slice]


def enclosing(shape: Mask) -> Iterator[Rect]:
    """Yield rectangles that enclose a shape: one, or where much of that is empty, the largest in it, one by one.

    Args:
        shape: Shape (height, width), true somewhere.
    """
    box = bounds(shape)
    if shape[box].mean() >= _WELL_FILLED:
        yield _rect(box)
        return
    cells = _cells(shape)
    while cells.any():
        rows, cols = _largest(cells)
        cells[rows, cols] = False
        left, top = cols.start * _CELL_PX, rows.start * _CELL_PX
        inner = bounds(shape[top : rows.stop * _CELL_PX, left : cols.stop * _CELL_PX])
        yield _rect((_moved(inner[0], top), _moved(inner[1], left)))


def bounds(shape: Mask) -> Slices:
    """Return the smallest part of an array that holds a shape, which is not empty."""
    rows, cols = np.flatnonzero(shape.any(axis=1)), np.flatnonzero(shape.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)


def _cells(shape: Mask) -> Mask:
    """Return which cells hold something of a shape."""
    padded = np.pad(shape, [(0, -side % _CELL_PX) for side in shape.shape])
    height, width = padded.shape
    cells = padded.reshape(height // _CELL_PX, _CELL_PX, width // _CELL_PX, _CELL_PX)
    held: Mask = np.logical_or.reduce(cells, axis=(1, 3))
    return held


def _largest(cells: Mask) -> Slices:
    """Return the largest rectangle of true cells, as the largest one under the histogram of some row."""
    heights = np.zeros(cells.shape[1] + 1, np.int64)  # one more, always 0, closes what is open at the row's end
    best, largest = 0, (slice(0, 0), slice(0, 0))
    for row, held in enumerate(cells):
        heights[:-1] = np.where(held, heights[:-1] + 1, 0)
        open_bars: list[tuple[int, int]] = []
        for col, height in enumerate(heights.tolist()):
            left = col
            while open_bars and open_bars[-1][1] >= height:
                left, high = open_bars.pop()
                if high * (col - left) > best:
                    best, largest = high * (col - left), (slice(row + 1 - high, row + 1), slice(left, col))
            open_bars.append((left, height))
    return largest


def _moved(side: slice, by_px: int) -> slice:
    return slice(side.start + by_px, side.stop + by_px)


def _rect(box: Slices) -> Rect:
    rows, cols = box
    return Rect(x_px=cols.start, y_px=rows.start, width_px=cols.stop - cols.start, height_px=rows.stop - rows.start)
