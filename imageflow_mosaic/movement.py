"""How far a camera moved between two frames of one game: what a driver sees its own moves with.

The offset is `registration`'s, which answers with none rather than with a wrong one; here it is looked for over a whole
range of moves, and supported by sub-windows of what both frames show.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imageflow_domain.capture import Movement
from imageflow_domain.geometry import Offset, Rect
from imageflow_mosaic.agreement import overlap
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.fingerprint import Fingerprint, fingerprint
from imageflow_mosaic.registration import Match, look

WINDOW_PX = 32
"""Side of a sub-window: about a sprite."""

_AGREEING = 0.9
"""Share of a sub-window's pixels that must be equal."""

_DETAIL = 16
"""Pixels of a sub-window that must differ from their left neighbour: plain ground agrees everywhere."""

_DECIDING_WINDOWS = 16
"""The vote's winner that so many sub-windows support is the only one.

At the rim of a whole range of moves next to nothing overlaps, so that no patches refute the offsets there. On 60 pairs
of neighbours in open water and 60 on land no winner was wrong.
"""

_HELD = 6
"""Fingerprints that are kept: a frame is compared with the next one, and with neighbours."""


class FrameComparer:
    """Compares frames of one survey; a frame that comes again is looked at once.

    Args:
        masks: Rectangles of every frame that belong to the head-up display.
    """

    def __init__(self, masks: Sequence[Rect] = ()) -> None:
        self._masks = tuple(masks)
        self._held: list[Fingerprint] = []

    def compare(self, before: Pixels, after: Pixels, expected: Offset, reach_px: int) -> Movement | None:
        """As `imageflow_domain.ports.Comparer` has it."""
        reference, moving = self._of(before), self._of(after)
        found = look(reference, moving, expected, reach_px)
        if not isinstance(found, Match):
            return None
        windows = found.votes if found.sigma_px > 0 else agreeing_windows(reference, moving, found.offset)
        return Movement(offset=found.offset, windows=windows, is_only=found.decisive or windows >= _DECIDING_WINDOWS)

    def _of(self, pixels: Pixels) -> Fingerprint:
        for held in self._held:
            if held.pixels is pixels:
                return held
        made = fingerprint(pixels, self._masks)
        self._held = [*self._held[1 - _HELD :], made]
        return made


def agreeing_windows(reference: Fingerprint, moving: Fingerprint, offset: Offset) -> int:
    """Count the sub-windows of the overlap that have detail and whose pixels are equal at an offset."""
    first, second = overlap(reference, offset, moving), overlap(moving, -offset, reference)
    if first is None or second is None or min(first.width_px, first.height_px) < WINDOW_PX:
        return 0
    there, here = reference.numbers(first), moving.numbers(second)
    equal = there == here
    equal &= _shown(reference.masks, first) & _shown(moving.masks, second)
    edges = np.zeros(here.shape, np.bool_)
    np.not_equal(here[:, 1:], here[:, :-1], out=edges[:, 1:])
    edges &= equal
    agreeing = _sums(equal) >= _AGREEING * WINDOW_PX**2
    return int(np.count_nonzero(agreeing & (_sums(edges) >= _DETAIL)))


def _shown(masks: Sequence[Rect], part: Rect) -> NDArray[np.bool_]:
    shown = np.ones((part.height_px, part.width_px), np.bool_)
    for mask in masks:
        seen = mask.intersection(part)
        if seen is not None:
            top, left = seen.y_px - part.y_px, seen.x_px - part.x_px
            shown[top : top + seen.height_px, left : left + seen.width_px] = False
    return shown


def _sums(marks: NDArray[np.bool_]) -> NDArray[np.intp]:
    """How many pixels of each whole sub-window are marked."""
    rows, columns = (side // WINDOW_PX for side in marks.shape)
    whole = marks[: rows * WINDOW_PX, : columns * WINDOW_PX]
    sums: NDArray[np.intp] = np.count_nonzero(whole.reshape(rows, WINDOW_PX, columns, WINDOW_PX), axis=(1, 3))
    return sums
