"""Whether a world repeats, and after how far: worlds may wrap around. Decides; presses and looks are the driver's.

What repeats need not be a world that wraps: a texture of the sea repeats, too, and an island may be drawn twice. A
turn counts only where a frame shows again what the first frames of its row showed, two views away at least and not at
the same place for all that is unsure; where these frames show different things side by side, as a coast does; and where
a second place, two views farther on, repeats after exactly as far. What is taken for a turn wrongly loses land; a turn
that is not noticed costs only time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from game_capture.loop import SURE_WINDOWS, Axis
from imageflow_domain.capture import Movement, StoredFrame, Turn, Uncertainty
from imageflow_domain.geometry import Offset, Position, Size
from imageflow_domain.grid import Cell
from imageflow_domain.ports import Comparer

Frame = NDArray[np.uint8]

LEAST_VIEWS = 2
"""A turn is so many views long at least: textures are shorter."""

FARTHER_VIEWS = 2
"""How far on the second place lies: an island may fill all of one view."""

_ALIKE_PX = 2.0
"""Two sights of a turn may differ by so much, and a frame may lie so far beside its row."""

_NOTHING_NEW_PX = 16
"""An area that begins so little before the end of the turn shows the start of the row again."""

_BLOCKS = 4
"""Blocks on each side of what repeats, whose colours are compared."""

_CONTRAST = 0.5
"""Share of two blocks' pixels that must differ in colour: waves, grass and stars look alike all over."""

_SHADES = 8
_SAMPLED = 2


@dataclass(frozen=True, kw_only=True)
class Sight:
    """A turn as measured by two frames."""

    length_px: float
    off_px: float
    """How much longer or shorter it may be: what is not sure of both frames' places."""


class Turning:
    """A world's turn as far as it is known, and its measurements.

    Args:
        view: Size of a frame.
        comparer: Sees how two frames lie to one another.
    """

    def __init__(self, *, view: Size, comparer: Comparer) -> None:
        self._view, self._comparer = view, comparer
        self.turn = Turn()
        """What is sure."""
        self._longest_px: dict[Axis, float] = {}
        """No turn is longer, though its length may not be sure."""
        self._ends_px: dict[tuple[Axis, int], float] = {}
        """Where a row or a column was seen to begin again, by its number."""

    def learn(self, turn: Turn) -> None:
        """Take over what is known of a turn from elsewhere."""
        x_px = self.turn.x_px if turn.x_px is None else turn.x_px
        y_px = self.turn.y_px if turn.y_px is None else turn.y_px
        self.turn = Turn(x_px=x_px, y_px=y_px)

    def is_past(self, cell: Cell, to: Position) -> bool:
        """Whether an area lies beyond a whole turn from the survey's first row and column.

        Args:
            to: Its place in the survey's plane.
        """
        for axis in Axis:
            known = (self.length_px(axis), self._longest_px.get(axis), self._ends_px.get((axis, line_of(cell, axis))))
            ends = [end_px for end_px in known if end_px is not None]
            if ends and axis.of(to) >= min(ends) - _NOTHING_NEW_PX:
                return True
        return False

    def may_tell(self, axis: Axis, at: Position) -> bool:
        """Whether a frame at a place may show the start of its row or column again."""
        return self.length_px(axis) is None and axis.of(at) >= (LEAST_VIEWS - 0.5) * self.side_px(axis)

    def seen(
        self, axis: Axis, frame: Frame, at: Position, uncertainty: Uncertainty, first: Sequence[StoredFrame]
    ) -> Sight | None:
        """Return the turn after which a frame shows one of the first ones again; `None` where it shows none of them.

        Args:
            frame: RGB, shape (height, width, 3).
            at: Where it lies in the survey's plane.
            uncertainty: Of that place.
            first: Frames at the start of its row, or of its column.
        """
        for stored in first:
            off = uncertainty + stored.uncertainty
            aside = round(axis.other.of(at) - axis.other.of(stored.position))
            expected = Offset(dx_px=0, dy_px=aside) if axis is Axis.X else Offset(dx_px=aside, dy_px=0)
            found = self._comparer.compare(stored.frame, frame, expected, self.side_px(axis) // 2)
            if found is None or not tells(found, expected, axis, self._view, off):
                continue
            off_px = off.x_px if axis is Axis.X else off.y_px
            length_px = axis.of(at) - axis.of(stored.position) - _part(found.offset, axis)
            is_elsewhere = length_px - off_px >= self.side_px(axis)
            is_long = length_px >= LEAST_VIEWS * self.side_px(axis)
            if is_elsewhere and is_long and has_contrast(shared(frame, found.offset)):
                return Sight(length_px=length_px, off_px=off_px)
        return None

    def confirmed(self, axis: Axis, cell: Cell, first: Sight, second: Sight | None) -> bool:
        """Take over a turn that a second place confirms; return whether it does.

        Args:
            cell: The area where it was seen first.
        """
        if second is None or abs(first.length_px - second.length_px) > _ALIKE_PX:
            return False
        self._ends_px[axis, line_of(cell, axis)] = first.length_px
        longest_px = first.length_px + first.off_px
        self._longest_px[axis] = min(longest_px, self._longest_px.get(axis, longest_px))
        if first.off_px == 0:
            self.learn(Turn(**{f"{axis.value}_px": first.length_px}))
        return True

    def length_px(self, axis: Axis) -> float | None:
        """Return the length of a turn along an axis, where it is sure."""
        return self.turn.x_px if axis is Axis.X else self.turn.y_px

    def side_px(self, axis: Axis) -> int:
        """Return a frame's side along an axis."""
        return self._view.width_px if axis is Axis.X else self._view.height_px


def line_of(cell: Cell, axis: Axis) -> int:
    """Return the number of the row that runs along an axis, or of the column."""
    return cell.row if axis is Axis.X else cell.col


def tells(seen: Movement, expected: Offset, axis: Axis, view: Size, off: Uncertainty) -> bool:
    """Whether two frames share half of what they show, for sure, and lie in one row or column.

    Args:
        off: What is not sure of how they lie.
    """
    aside_px = off.y_px if axis is Axis.X else off.x_px
    aside = _part(seen.offset, axis.other) - _part(expected, axis.other)
    shared_px = (view.width_px - abs(seen.offset.dx_px)) * (view.height_px - abs(seen.offset.dy_px))
    return (
        seen.is_only
        and seen.windows >= SURE_WINDOWS
        and abs(aside) <= aside_px + _ALIKE_PX
        and 2 * shared_px >= view.width_px * view.height_px
    )


def shared(frame: Frame, offset: Offset) -> Frame:
    """Return the part of a frame that another one shows from which it lies at an offset."""
    height, width = frame.shape[:2]
    left, top = max(0, -offset.dx_px), max(0, -offset.dy_px)
    return frame[top : height - max(0, offset.dy_px), left : width - max(0, offset.dx_px)]


def has_contrast(picture: Frame) -> bool:
    """Whether some blocks of a picture differ in most of their colours, as land and sea do."""
    rows, columns = (side // _BLOCKS for side in picture.shape[:2])
    coarse = (picture[..., :3] // (256 // _SHADES)).astype(np.intp)
    shades = (coarse[..., 0] * _SHADES + coarse[..., 1]) * _SHADES + coarse[..., 2]
    blocks = [
        shades[row * rows : (row + 1) * rows : _SAMPLED, column * columns : (column + 1) * columns : _SAMPLED]
        for row in range(_BLOCKS)
        for column in range(_BLOCKS)
    ]
    shares = np.array([np.bincount(block.ravel(), minlength=_SHADES**3) / block.size for block in blocks])
    differing = np.abs(shares[:, None] - shares[None]).sum(axis=2) / 2
    return bool(differing.max() >= _CONTRAST)


def _part(offset: Offset, axis: Axis) -> int:
    return offset.dx_px if axis is Axis.X else offset.dy_px
