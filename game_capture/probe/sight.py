"""Seeing how far a camera moved between two pictures of a window, whose panels are not known yet. Pure."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from game_capture.calibration import is_sure
from game_capture.loop import LEAST_WINDOWS
from game_capture.probe.parts import changed_squares, rectangles_of
from game_capture.standing import SQUARE_PX
from imageflow_domain.geometry import Offset, Rect
from imageflow_domain.ports import Comparer

Picture = NDArray[np.uint8]
"""RGB, shape (height, width, 3)."""

ComparerOf = Callable[[Sequence[Rect]], Comparer]
"""Makes what compares frames, given the rectangles of them that show no map."""

_HERE = Offset(dx_px=0, dy_px=0)
_REACH = 0.9
"""Of a picture's longer side."""

_STILL_SHARE = 0.98
"""Of the squares: where so many are equal, the camera did not move."""

_LEAST_CALM = 0.1
"""Of the squares: where fewer stand still by themselves, all are looked at."""

_MOST_MASKS = 300


class Sight:
    """Compares pictures within a box of the window.

    Args:
        box: The part that is compared, in pixels of the pictures.
        masks: Panels inside it, in its own pixels.
        restless: Squares of the pictures that change by themselves; `None`: not known.
    """

    def __init__(
        self,
        comparer_of: ComparerOf,
        box: Rect,
        masks: Sequence[Rect] = (),
        restless: NDArray[np.bool_] | None = None,
    ) -> None:
        self._comparer_of, self._masks = comparer_of, tuple(masks)
        self.box = box
        self._restless = restless

    def moved(self, before: Picture, after: Picture) -> Offset | None:
        """Return how far the camera moved, zero where the pictures are equal; `None` where nothing is distinctive.

        What stands at the same place in both is taken as a panel.
        """
        one, other = _cut(before, self.box), _cut(after, self.box)
        changed = changed_squares([one, other])
        still = 1.0 - float(changed.mean())
        if self._restless is not None:
            calm = ~self._inside(changed.shape)
            if calm.mean() >= _LEAST_CALM:
                still = 1.0 - float((changed & calm).sum()) / int(calm.sum())
        if still >= _STILL_SHARE:
            return _HERE
        standing = rectangles_of(~changed)
        masks = (*self._masks, *standing) if len(standing) <= _MOST_MASKS else self._masks
        seen = self._comparer_of(masks).compare(one, other, _HERE, int(_REACH * max(one.shape[:2])))
        if seen is None or not (is_sure(seen) or (seen.is_only and seen.windows >= LEAST_WINDOWS)):
            return None
        return seen.offset

    def _inside(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """The restless squares of the box, to whole squares."""
        assert self._restless is not None  # noqa: S101  asked only then
        top, left = self.box.y_px // SQUARE_PX, self.box.x_px // SQUARE_PX
        inside = np.zeros(shape, np.bool_)
        for row in (0, 1):  # a box that begins inside a square touches one more
            for column in (0, 1):
                part = self._restless[top + row : top + row + shape[0], left + column : left + column + shape[1]]
                inside[: part.shape[0], : part.shape[1]] |= part
        return inside


def _cut(picture: Picture, box: Rect) -> Picture:
    return np.ascontiguousarray(picture[box.y_px : box.bottom_px, box.x_px : box.right_px])
