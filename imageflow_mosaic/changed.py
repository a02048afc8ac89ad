"""Where two pictures of the same place differ, and which of these pixels lie together."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Rect
from imageflow_mosaic.codec import Pixels, packed

CELL_PX = 32
"""Changed pixels lie together where their cells of this side touch, corners too."""

_WINDOW_PX = 9
"""Lossy pictures are compared by their means over squares of this side: of JPEG's noise a tenth is left in them."""

_MISPLACED_PX = 1
"""Two pictures at rounded places, each at most half a pixel beside its true one."""

_LEAST_CHANGE = 12
"""Grey levels that means of an unchanged place may differ by, the noise on top.

Measured over 14 pairs of surveys of 36 real frames, JPEG 95 to 60, WebP 80 and scaled: 11.9 at most.
"""

_AHEAD = ((0, 1), (1, -1), (1, 0), (1, 1))
"""Rows and columns to the neighbours of a cell, each pair once."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ChangedCells:
    """Cells that hold changed pixels: one entry a cell, in each array."""

    row: NDArray[np.int64]
    col: NDArray[np.int64]
    """Of the cell, counted from the frame's origin."""
    count: NDArray[np.int64]
    """Changed pixels."""
    left: NDArray[np.int64]
    top: NDArray[np.int64]
    right: NDArray[np.int64]
    bottom: NDArray[np.int64]
    """What they reach to, in pixels of the frame; right and bottom are exclusive."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Changed pixels that lie together."""

    bounds: Rect
    count: int


def changed_cells(before: Pixels, after: Pixels, where: Rect, *, tolerance: int = 0) -> ChangedCells:
    """Return the cells in which two pictures differ; where either covers nothing, nothing is compared.

    Args:
        before: RGBA, shape (height, width, 4), both sides multiples of `CELL_PX`.
        after: As large.
        where: What both show, in pixels of the frame; its corner on multiples of `CELL_PX`.
        tolerance: By how much a channel may differ in pictures that were encoded with loss, 0 to 254.
    """
    differs = packed(before) != packed(after)
    if tolerance:
        differs &= _most(_apart(before, after)) > tolerance
    differs &= (before[..., 3] > 0) & (after[..., 3] > 0)
    return _cells(differs, where)


def changed_lossy_cells(before: Pixels, after: Pixels, where: Rect, *, noise: float) -> ChangedCells:
    """Return the cells in which two pictures of lossy surveys show different things.

    A place has changed where the mean over 9 x 9 px, in any channel, leaves the range of the other picture's means at
    most a pixel beside, by more than 12 grey levels and the noise. Changed are those pixels there that differ by as
    much. What is 32 px large, or 8 px wide, is found from a contrast of about 30 grey levels on. Within 5 px of the
    edge of the pictures, and of what either does not cover, a change is only followed, not found.

    Args:
        before: RGBA, shape (height, width, 4), both sides multiples of `CELL_PX`.
        after: As large, and at most a pixel misplaced.
        where: What both show, in pixels of the frame; its corner on multiples of `CELL_PX`.
        noise: Of the noisier of the two surveys, as `blend.blend` takes it; 0 for a lossless one.

    Raises:
        InvalidInput: For a noise below 0, or of 256 and more.
    """
    if not 0 <= noise < 256:
        raise InvalidInput(f"A noise of {noise} grey levels: give the survey's own, at least 0 and below 256.")
    least = round(_LEAST_CHANGE + noise)
    means = [_means(pixels) for pixels in (before, after)]
    off = _most(np.minimum(_beyond(means[0], means[1]), _beyond(means[1], means[0])))
    covered = (before[..., 3] > 0) & (after[..., 3] > 0)
    side = _WINDOW_PX + 2 * _MISPLACED_PX
    whole = cv2.erode(covered.astype(np.uint8), np.ones((side, side)), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    seen = (off > least) & (whole > 0)
    around = cv2.dilate(seen.astype(np.uint8), np.ones((_WINDOW_PX, _WINDOW_PX))) > 0
    return _cells(around & (_most(_apart(before, after)) > least) & covered, where)


def _apart(one: Pixels, other: Pixels) -> Pixels:
    """Return by how much the channels of two pictures differ."""
    return np.asarray(cv2.absdiff(one, other), dtype=np.uint8)


def _most(colours: Pixels) -> Pixels:
    """Return the largest of the first three channels, shape (height, width)."""
    red, green, blue = (colours[..., channel] for channel in range(3))
    return np.maximum(np.maximum(red, green), blue)


def _means(rgba: Pixels) -> Pixels:
    return cv2.blur(rgba[..., :3], (_WINDOW_PX, _WINDOW_PX)).astype(np.uint8, copy=False)


def _beyond(values: Pixels, other: Pixels) -> Pixels:
    """Return by how much each value leaves the range of `other` at most `_MISPLACED_PX` beside; 0 within it."""
    near = np.ones((2 * _MISPLACED_PX + 1, 2 * _MISPLACED_PX + 1))
    above, below = cv2.subtract(values, cv2.dilate(other, near)), cv2.subtract(cv2.erode(other, near), values)
    return cv2.max(above, below).astype(np.uint8, copy=False)


def _cells(differs: NDArray[np.bool_], where: Rect) -> ChangedCells:
    """Gather changed pixels, of a shape in multiples of `CELL_PX`, into cells."""
    height, width = differs.shape
    cells = differs.reshape(height // CELL_PX, CELL_PX, width // CELL_PX, CELL_PX).swapaxes(1, 2)
    counts = cells.sum(axis=(2, 3))
    row, col = np.nonzero(counts)
    found = cells[row, col]
    in_rows, in_cols = np.any(found, axis=2), np.any(found, axis=1)
    top, left = where.y_px + row * CELL_PX, where.x_px + col * CELL_PX
    return ChangedCells(
        row=where.y_px // CELL_PX + row,
        col=where.x_px // CELL_PX + col,
        count=counts[row, col].astype(np.int64),
        left=left + in_cols.argmax(axis=1),
        top=top + in_rows.argmax(axis=1),
        right=left + CELL_PX - in_cols[:, ::-1].argmax(axis=1),
        bottom=top + CELL_PX - in_rows[:, ::-1].argmax(axis=1),
    )


def clusters(parts: Sequence[ChangedCells]) -> tuple[Cluster, ...]:
    """Return what lies together, largest first; cells of all parts count from the same origin."""
    if not any(part.row.size for part in parts):
        return ()
    whole = ChangedCells(
        row=np.concatenate([part.row for part in parts]),
        col=np.concatenate([part.col for part in parts]),
        count=np.concatenate([part.count for part in parts]),
        left=np.concatenate([part.left for part in parts]),
        top=np.concatenate([part.top for part in parts]),
        right=np.concatenate([part.right for part in parts]),
        bottom=np.concatenate([part.bottom for part in parts]),
    )
    number, label = _connected(whole)
    counts = np.bincount(label, whole.count, number).astype(np.int64)
    left, top = np.full(number, np.iinfo(np.int64).max), np.full(number, np.iinfo(np.int64).max)
    right, bottom = np.zeros(number, np.int64), np.zeros(number, np.int64)
    np.minimum.at(left, label, whole.left)
    np.minimum.at(top, label, whole.top)
    np.maximum.at(right, label, whole.right)
    np.maximum.at(bottom, label, whole.bottom)
    found = [
        Cluster(
            bounds=Rect(
                x_px=int(left[n]), y_px=int(top[n]), width_px=int(right[n] - left[n]), height_px=int(bottom[n] - top[n])
            ),
            count=int(counts[n]),
        )
        for n in range(number)
    ]
    return tuple(sorted(found, key=lambda c: (-c.count, c.bounds.y_px, c.bounds.x_px)))


def _connected(cells: ChangedCells) -> tuple[int, NDArray[np.int64]]:
    """Return how many groups of touching cells there are, and to which each cell belongs."""
    wide = int(cells.col.max()) + 3
    key = (cells.row + 1) * wide + cells.col + 1  # a spare column: no row's end touches the next row's beginning
    order = np.argsort(key)
    ordered = key[order]
    begins, ends = [], []
    for row, col in _AHEAD:
        wanted = ordered + row * wide + col
        at = np.minimum(np.searchsorted(ordered, wanted), ordered.size - 1)
        touching = ordered[at] == wanted
        begins.append(order[touching])
        ends.append(order[at[touching]])
    begin, end = np.concatenate(begins), np.concatenate(ends)
    graph = coo_array((np.ones(begin.size, np.bool_), (begin, end)), shape=(key.size, key.size))
    number, label = connected_components(graph, directed=False)
    return int(number), label.astype(np.int64)
