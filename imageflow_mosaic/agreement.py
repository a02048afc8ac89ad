"""Whether two screenshots show the same at a given offset, where the game itself stands still."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imageflow_domain.geometry import Offset, Rect
from imageflow_mosaic.fingerprint import COLOURS, Fingerprint, colour_numbers

MIN_SHARE = 0.985
"""Of all compared pixels that must be equal where nothing runs: sprites drawn in another order are fewer."""

MIN_STATIC_SHARE = 0.94
"""Of the static pixels that must be equal where something runs: cars on a street are fewer."""

MIN_COMPARED_PX = 1024

_ANALYSED_PX = 1 << 16
"""About so many pixels are analysed to find the colours of animations."""

_RUNNING_RATE = 0.05
"""A colour that differs more often than this belongs to running animation.

At a wrong offset next to every colour does, and hardly a pixel is left to compare.
"""

_COUNTED_PX = 16
"""A colour of fewer pixels says nothing about itself."""

_MIN_STATIC_COLOURS = 6
_MIN_STATIC_COLOUR_SHARE = 0.5
"""Where so few colours stand still, it is the offset that is wrong and not the picture that moves."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How well the overlap of two pictures agrees."""

    share: float
    """Of the compared pixels that are exactly equal, 0 to 1."""
    compared_px: int
    holds: bool
    """Enough static pixels were compared, and they are equal but for a few."""


def agreement_at(reference: Fingerprint, moving: Fingerprint, offset: Offset) -> Agreement:
    """Compare the overlap pixel by pixel, without masked pixels and without colours that run.

    Running animation shows as colours that mostly differ while the other colours are all equal: a palette that cycles,
    waves. At a wrong offset nearly all colours differ.
    """
    first, second = overlap(reference, offset, moving), overlap(moving, -offset, reference)
    if first is None or second is None:
        return Agreement(share=0.0, compared_px=0, holds=False)
    there, here = reference.numbers(first), moving.numbers(second)
    equal = there == here
    hidden = _hidden(reference, first) | _hidden(moving, second) if reference.masks or moving.masks else None
    if hidden is not None:
        shown = ~hidden
        there, here, equal = there[shown], here[shown], equal[shown]
    compared = equal.size
    share = int(np.count_nonzero(equal)) / max(1, compared)
    if share >= MIN_SHARE or compared < MIN_COMPARED_PX:
        return Agreement(share=share, compared_px=compared, holds=share >= MIN_SHARE and compared >= MIN_COMPARED_PX)
    every = max(1, compared // _ANALYSED_PX) | 1  # odd: it meets every column of an even picture
    return _of_static(there.ravel()[::every], here.ravel()[::every], equal.ravel()[::every], every)


def overlap(picture: Fingerprint, offset: Offset, other: Fingerprint) -> Rect | None:
    """The part of `picture` that `other` covers when its top left corner lies at `offset`; `None` for none."""
    return picture.rect.intersection(
        Rect(x_px=offset.dx_px, y_px=offset.dy_px, width_px=other.width_px, height_px=other.height_px)
    )


def _hidden(picture: Fingerprint, part: Rect) -> NDArray[np.bool_]:
    hidden = np.zeros((part.height_px, part.width_px), np.bool_)
    for mask in picture.masks:
        seen = mask.intersection(part)
        if seen is not None:
            hidden[
                seen.y_px - part.y_px : seen.bottom_px - part.y_px, seen.x_px - part.x_px : seen.right_px - part.x_px
            ] = True
    return hidden


def _of_static(there: NDArray[np.uint32], here: NDArray[np.uint32], equal: NDArray[np.bool_], every: int) -> Agreement:
    mine, theirs = colour_numbers(there), colour_numbers(here)
    seen = np.bincount(mine, minlength=COLOURS) + np.bincount(theirs, minlength=COLOURS)
    same = 2 * np.bincount(mine[equal], minlength=COLOURS)
    runs = seen - same > _RUNNING_RATE * seen
    # What runs in one picture and stands still in the other is no animation but another place.
    static = ~(runs[mine] & runs[theirs])
    compared = int(np.count_nonzero(static))
    share = int(np.count_nonzero(equal & static)) / max(1, compared)
    counted = seen * every >= 2 * _COUNTED_PX
    standing = int(np.count_nonzero(counted & ~runs))
    holds = bool(
        share >= MIN_STATIC_SHARE
        and compared * every >= MIN_COMPARED_PX
        and standing >= _MIN_STATIC_COLOURS
        and standing >= _MIN_STATIC_COLOUR_SHARE * np.count_nonzero(counted)
    )
    return Agreement(share=share, compared_px=compared * every, holds=holds)
