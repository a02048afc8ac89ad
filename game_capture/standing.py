"""What stands at the same place in every frame though the camera was moved: a menu, a dialog, a panel over the map.

Frames are compared by squares. A square that is equal in all frames counts only where nothing else in the frame
looks like it: open water, desert and snow repeat themselves, and look the same wherever the camera is. Knows
neither games nor drivers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imageflow_domain.geometry import Rect

SQUARE_PX = 16
"""Side of a square; a panel narrower than two of them may go unseen."""

_ONE_IN = 2
"""One in so many rows and columns of pixels is looked at."""

_CLOSES = 2
"""Plain squares between distinctive ones, such as the plain ground between a panel's letters, on each side."""

_TELLING = 4
"""Squares that nothing else in a frame looks like: words and buttons have as many."""

_ALONG, _DOWN = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
"""Odd numbers without structure: the golden ratio's, and one of xxHash's."""

Picture = NDArray[np.uint8]
Squares = NDArray[np.uint64]
"""A number for each square of a frame, by its pixels; 0 where a mask touches it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Standing:
    """What stands still."""

    squares: NDArray[np.bool_]
    """Which squares do, shape (rows, columns)."""
    share: float
    """Of all squares that no mask touches, 0 to 1."""
    is_all: bool
    """Whether the frames are equal all over, and show something distinctive: plain ground alone is equal, too."""


def squares_of(picture: Picture, masks: Sequence[Rect] = ()) -> Squares:
    """Return a frame's squares; what is left over at the right and at the bottom is not looked at.

    Args:
        picture: RGB, shape (height, width, 3), at least one square large.
        masks: Rectangles that are known to show no map.
    """
    rows, columns = picture.shape[0] // SQUARE_PX, picture.shape[1] // SQUARE_PX
    pixels = picture[: rows * SQUARE_PX : _ONE_IN, : columns * SQUARE_PX : _ONE_IN].astype(np.uint32)
    numbers = (pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]).astype(np.uint64) + np.uint64(1)
    numbers *= _ALONG
    numbers ^= numbers >> np.uint64(29)
    side = SQUARE_PX // _ONE_IN
    weights = _weights(side)
    along = numbers.reshape(rows * side, columns, side) @ weights
    squares: Squares = np.einsum("ric,i->rc", along.reshape(rows, side, columns), weights * _DOWN)
    squares |= np.uint64(1)
    for mask in masks:
        left, top = max(0, mask.x_px) // SQUARE_PX, max(0, mask.y_px) // SQUARE_PX
        squares[top : max(0, -(-mask.bottom_px // SQUARE_PX)), left : max(0, -(-mask.right_px // SQUARE_PX))] = 0
    return squares


def standing(frames: Sequence[Squares]) -> Standing:
    """Return what stands still in all frames, which show different places of the map, as far as that can be seen.

    Args:
        frames: Two or more of one shape, those that were masked alike.
    """
    last = frames[-1]
    still = last != 0
    shown = int(np.count_nonzero(still))
    for frame in frames[:-1]:
        still &= frame == last
    _, number, counts = np.unique(last, return_inverse=True, return_counts=True)
    telling = still & (counts[number.reshape(last.shape)] == 1)
    panel = still & _closed(telling)
    return Standing(
        squares=panel,
        share=float(np.count_nonzero(panel)) / shown if shown else 0.0,
        is_all=bool(still[last != 0].all()) and int(np.count_nonzero(telling)) >= _TELLING,
    )


def enclosed(rect: Rect, first: Picture, last: Picture) -> Rect:
    """Return a rectangle of whole squares, grown by up to a square on each side, as far as both frames are equal.

    Args:
        rect: What stands still between the two frames, to the square.
        first: RGB, shape (height, width, 3).
        last: Another frame of its shape.
    """
    left, top, right, bottom = rect.x_px, rect.y_px, rect.right_px, rect.bottom_px
    height, width = first.shape[:2]
    equal = (first == last).all(axis=2)
    for _ in range(SQUARE_PX - 1):
        left -= left > 0 and bool(equal[top:bottom, left - 1].all())
        right += right < width and bool(equal[top:bottom, right].all())
        top -= top > 0 and bool(equal[top - 1, left:right].all())
        bottom += bottom < height and bool(equal[bottom, left:right].all())
    return Rect(x_px=left, y_px=top, width_px=right - left, height_px=bottom - top)


def _weights(count: int) -> NDArray[np.uint64]:
    powers: NDArray[np.uint64] = np.cumprod(np.full(count, _ALONG, np.uint64), dtype=np.uint64)
    return powers | np.uint64(1)


def _closed(shape: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a shape with its narrow gaps closed: grown, and shrunk again."""
    room = np.pad(shape, _CLOSES)
    return ~_grown(~_grown(room))[_CLOSES:-_CLOSES, _CLOSES:-_CLOSES]


def _grown(shape: NDArray[np.bool_]) -> NDArray[np.bool_]:
    for axis in (0, 1):
        before = shape
        shape = before.copy()
        for by in range(1, _CLOSES + 1):
            some, others = (slice(by, None), slice(None, -by))
            if axis:
                shape[:, some] |= before[:, others]
                shape[:, others] |= before[:, some]
            else:
                shape[some] |= before[others]
                shape[others] |= before[some]
    return shape
