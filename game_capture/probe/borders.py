"""The borders of translucent panels: straight lines that nothing of the map crosses unchanged. Pure.

The map below a translucent panel moves with the camera as the map beside it does, in other colours. Only the pixels
that cross the panel's border tell them apart: they are not found again, while pixels that stay on their side are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from game_capture.probe.parts import Look
from imageflow_domain.geometry import Rect

_Sums = NDArray[np.int64]

_CROSSES_SHARE = 0.1
"""Of the pixels beside a border: fewer are found again across it than this share of those found on their side."""

_STAYS_SHARE = 0.3
"""Of the pixels beside a border that stay on their side must be found again: else waves or people move there."""

_LEAST_TOLD = 0.02
"""Of a border's pixels, in each move across it, that must be distinctive."""

_SHORT_PX, _SHORTEST_TIMES = 200, 2
"""Moves that are longer, and longer than so many times the shortest one, tell of little that lies near a line."""

_STRIPS_PX = (48, 96, 192)
"""Of a crop's upper or lower side, in which the borders of panels in corners are looked for. Lower panels go unseen,
and small ones beside a higher one may hide its border in some of them."""

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


def within_borders(crop: Rect, looks: Sequence[Look]) -> Rect:
    """Return the largest part of a crop that no border of a translucent panel crosses from side to side.

    Args:
        looks: What pictures of one size tell, which are larger than the crop or as large.
    """
    while True:
        for axis in (1, 0):
            smaller = _cut(crop, looks, axis)
            if smaller != crop:
                crop = smaller
                break
        else:
            return crop


def translucent_panels(crop: Rect, looks: Sequence[Look]) -> tuple[Rect, ...]:
    """Return the translucent panels along the sides of a crop and in its corners."""
    map_part = within_borders(crop, looks)
    left, right = map_part.x_px - crop.x_px, crop.right_px - map_part.right_px
    top, bottom = map_part.y_px - crop.y_px, crop.bottom_px - map_part.bottom_px
    sides = (
        _part(crop, 0, top, axis=0),
        _part(crop, crop.height_px - bottom, bottom, axis=0),
        _part(map_part, -left, left, axis=1),
        _part(map_part, map_part.width_px, right, axis=1),
    )
    corners = (panel for at_top in (True, False) for panel in _in_corners(map_part, looks, at_top=at_top))
    return tuple(rect for rect in (*sides, *corners) if rect.width_px and rect.height_px)


def _in_corners(crop: Rect, looks: Sequence[Look], *, at_top: bool) -> Sequence[Rect]:
    """Return the panels in the upper or the lower corners: borders begin at the crop's side, and meet inside it."""
    found = [tuple(_from_side(crop, looks, min(px, crop.height_px), at_top=at_top)) for px in _STRIPS_PX]
    return max(found, key=lambda panels: sum(panel.width_px * panel.height_px for panel in panels))


def _from_side(crop: Rect, looks: Sequence[Look], strip_px: int, *, at_top: bool) -> Iterator[Rect]:
    height = crop.height_px
    strip = _part(crop, 0 if at_top else height - strip_px, strip_px, axis=0)
    for _ in range(2):
        smaller = _cut(strip, looks, axis=1)
        if smaller == strip:
            return
        removed = strip.width_px - smaller.width_px
        begin = strip.x_px if smaller.x_px > strip.x_px else smaller.right_px
        column = crop.model_copy(update={"x_px": begin, "width_px": removed})
        at = _border_of(column, looks, axis=0)
        if at is not None:
            yield _part(column, 0, at, axis=0) if at_top else _part(column, at, height - at, axis=0)
        strip = smaller


def _cut(crop: Rect, looks: Sequence[Look], axis: int) -> Rect:
    """Return the larger of the two parts into which the clearest border across an axis cuts a crop, or all of it."""
    at, size = _border_of(crop, looks, axis), crop.width_px if axis else crop.height_px
    if at is None:
        return crop
    return _part(crop, 0, at, axis=axis) if 2 * at >= size else _part(crop, at, size - at, axis=axis)


def _part(rect: Rect, begin_px: int, length_px: int, *, axis: int) -> Rect:
    """Return some columns (axis 1) or rows (axis 0) of a rectangle."""
    if axis:
        return rect.model_copy(update={"x_px": rect.x_px + begin_px, "width_px": length_px})
    return rect.model_copy(update={"y_px": rect.y_px + begin_px, "height_px": length_px})


def _border_of(crop: Rect, looks: Sequence[Look], axis: int) -> int | None:
    size, across = (crop.width_px, crop.height_px) if axis else (crop.height_px, crop.width_px)
    part = (slice(crop.y_px, crop.bottom_px), slice(crop.x_px, crop.right_px))
    moves = []
    for look in looks:
        by_px = look.by.dx_px if axis else look.by.dy_px
        if abs(by_px) >= _LEAST_SIDE_PX:
            found, told = (np.count_nonzero(marks[part], axis=1 - axis) for marks in (look.moved, look.told))
            moves.append(_Move(by_px=by_px, found=found, told=told))
    shortest = min((abs(move.by_px) for move in moves), default=0)
    longest = max(_SHORT_PX, _SHORTEST_TIMES * shortest)
    return _border([move for move in moves if abs(move.by_px) <= longest], size, across)


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
