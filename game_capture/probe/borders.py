"""The borders of translucent panels: straight lines that nothing of the map crosses unchanged. Pure.

The map below a translucent panel moves with the camera as the map beside it does, in other colours. Only the pixels
that cross the panel's border tell them apart: they are not found again, while pixels that stay on their side are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from game_capture.probe.parts import Pair, looked_up
from imageflow_domain.geometry import Rect

_Sums = NDArray[np.int64]

_CROSSES_SHARE = 0.1
"""Of the pixels beside a border: fewer are found again across it than this share of those found on their side."""

_STAYS_SHARE = 0.3
"""Of the pixels beside a border that stay on their side must be found again: else waves or people move there."""

_LEAST_TOLD = 0.02
"""Of a border's pixels, in each move across it, that must be distinctive."""

_AS_CLEAR = 0.003
"""Lines that differ by less in the share of pixels found across them are equally clear."""

_LEAST_SIDE_PX = 4
"""What is narrower is a frame around the map."""


@dataclass(frozen=True, kw_only=True)
class _Move:
    """What pixels of one picture tell, summed over each line of a crop across the move."""

    by_px: int
    """How far the pixels went, below 0 to the left or up."""
    found: _Sums
    """Pixels that are seen to have moved with the camera."""
    told: _Sums
    """Distinctive pixels."""


def within_borders(crop: Rect, pairs: Sequence[Pair]) -> Rect:
    """Return the largest part of a crop that no border of a translucent panel crosses from side to side.

    Args:
        pairs: Pictures of one size, larger than the crop or as large, between which the camera moved.
    """
    while True:
        for axis in (1, 0):
            smaller = _cut(crop, pairs, axis)
            if smaller != crop:
                crop = smaller
                break
        else:
            return crop


def _cut(crop: Rect, pairs: Sequence[Pair], axis: int) -> Rect:
    """Return the larger of the two parts into which the clearest border across an axis cuts a crop, or all of it."""
    begin, size = (crop.x_px, crop.width_px) if axis else (crop.y_px, crop.height_px)
    across = crop.height_px if axis else crop.width_px
    at = _border([move for pair in pairs for move in _moves(pair, crop, axis)], size, across)
    if at is None:
        return crop
    first, length = (0, at) if 2 * at >= size else (at, size - at)
    if axis:
        return crop.model_copy(update={"x_px": begin + first, "width_px": length})
    return crop.model_copy(update={"y_px": begin + first, "height_px": length})


def _moves(pair: Pair, crop: Rect, axis: int) -> Sequence[_Move]:
    """Return what both pictures of a pair tell of a move along an axis inside a crop; nothing of other moves."""
    offset = pair.offset.dx_px if axis else pair.offset.dy_px
    if abs(offset) < _LEAST_SIDE_PX:
        return ()
    part = (slice(crop.y_px, crop.bottom_px), slice(crop.x_px, crop.right_px))
    moves = []
    for (found, told), by_px in zip(looked_up(pair), (-offset, offset), strict=True):
        sums = (marks[part].sum(axis=1 - axis, dtype=np.int64) for marks in (found, told))
        moves.append(_Move(by_px=by_px, found=next(sums), told=next(sums)))
    return moves


def _border(moves: Sequence[_Move], size: int, across: int) -> int | None:
    """Return the line that is most clearly a border: of it, the lines before it are the one side."""
    shares = np.full(size, np.inf)
    for side in (1, -1):
        crossing, staying = _told_beside(moves, size, side)
        enough = (_LEAST_TOLD * across * crossing[2] <= crossing[1]) & (_LEAST_TOLD * across * staying[2] <= staying[1])
        enough &= (crossing[2] >= _LEAST_SIDE_PX) & (staying[2] >= _LEAST_SIDE_PX)
        crosses, stays = crossing[0] / np.maximum(1, crossing[1]), staying[0] / np.maximum(1, staying[1])
        is_border = enough & (stays >= _STAYS_SHARE) & (crosses < _CROSSES_SHARE * stays)
        shares[is_border] = np.minimum(shares, crosses / np.maximum(stays, _STAYS_SHARE))[is_border]
    shares[:_LEAST_SIDE_PX] = shares[size - _LEAST_SIDE_PX + 1 :] = np.inf
    if not np.isfinite(shares).any():
        return None
    # all lines of a panel that is narrower than the moves tell the same: its inner side is the border
    clearest = np.flatnonzero(shares <= shares.min() + _AS_CLEAR)
    return int(clearest[np.argmin(np.abs(clearest - size // 2))])


def _told_beside(moves: Sequence[_Move], size: int, side: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what the pixels tell that begin beside each line, and cross it or stay on their side.

    Args:
        side: 1 for pixels before the line, -1 for pixels behind it.

    Returns:
        For crossing and for staying pixels, for each line: how many are found, how many tell, and of how many lines.
    """
    crossing, staying = np.zeros((3, size), np.int64), np.zeros((3, size), np.int64)
    lines = np.arange(size)
    for move in moves:
        crosses, reach = move.by_px * side > 0, abs(move.by_px)
        first, last = (lines - reach, lines) if side > 0 else (lines, lines + reach)
        # what leaves the crop, or comes from a line that does not end inside it, tells nothing of this line
        low, high = (0, size - reach) if move.by_px > 0 else (reach, size)
        first, last = np.clip(first, low, max(low, high)), np.clip(last, low, max(low, high))
        sums = crossing if crosses else staying
        for number, marks in enumerate((move.found, move.told)):
            until = np.concatenate(([0], np.cumsum(marks)))
            sums[number] += until[last] - until[first]
        sums[2] += last - first
    return crossing, staying
