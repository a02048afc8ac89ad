"""Takes a camera to areas, and notices when it has gone around the world: `turning` interprets the frames."""

import logging
from collections.abc import Callable
from dataclasses import replace

from game_capture.loop import Axis
from game_capture.pilot import Reached
from game_capture.turning import FARTHER_VIEWS, Sight, Turning
from imageflow_domain.capture import Turn
from imageflow_domain.geometry import Position, Size
from imageflow_domain.grid import Cell
from imageflow_domain.ports import Comparer, StoredFrames

_LOG = logging.getLogger(__name__)


class Circling:
    """Goes to areas of a world that may wrap around.

    Args:
        go: Brings the camera to a place of the survey's plane, for an area.
        step: From an area to its neighbours.
        view: Size of a frame.
        comparer: Sees how two frames lie to one another.
        stored: Frames of the survey that are stored already, and the turn that is known.
    """

    def __init__(
        self,
        go: Callable[[Cell, Position], Reached],
        *,
        step: Position,
        view: Size,
        comparer: Comparer,
        stored: StoredFrames,
    ) -> None:
        self._go, self._step, self._stored = go, step, stored
        self._turning = Turning(view=view, comparer=comparer)

    def is_past(self, cell: Cell, to: Position) -> bool:
        """Whether an area lies beyond a whole turn, so that the map shows it already.

        Args:
            to: Its place in the survey's plane.
        """
        self._turning.learn(self._stored.turn())
        return self._turning.is_past(cell, to)

    def go(self, cell: Cell, to: Position) -> Reached:
        """Bring the camera to an area, and see whether the world begins again there."""
        reached = self._go(cell, to)
        for axis in Axis:
            reached = self._circled(axis, cell, to, reached)
        return reached

    @property
    def turn(self) -> Turn:
        """What is sure of the world's turn."""
        return self._turning.turn

    @property
    def learnt(self) -> Turn | None:
        """The turn, where the survey does not know it yet."""
        turn = self._turning.turn
        return None if turn == self._stored.turn() else turn

    def _circled(self, axis: Axis, cell: Cell, to: Position, reached: Reached) -> Reached:
        turning = self._turning
        sight = self._seen(axis, cell, reached, within_px=axis.of(self._step))
        if sight is None or turning.is_past(cell, to):
            return reached
        farther_px = FARTHER_VIEWS * turning.side_px(axis)
        farther = self._go(cell, _moved(to, axis, farther_px))
        again = self._seen(axis, cell, farther, within_px=farther_px + turning.side_px(axis))
        if turning.confirmed(axis, cell, sight, again):
            _LOG.info("The world wraps around: after %.0f px along %s it begins again.", sight.length_px, axis)
        return self._go(cell, to)

    def _seen(self, axis: Axis, cell: Cell, reached: Reached, *, within_px: float) -> Sight | None:
        if not reached.is_there or reached.offset is None or reached.uncertainty is None:
            return None
        at = reached.position + reached.offset
        if not self._turning.may_tell(axis, at):
            return None
        first = self._stored.first(cell, is_row=axis is Axis.X, within_px=within_px)
        return self._turning.seen(axis, reached.view.frame, at, reached.uncertainty, first)


def _moved(at: Position, axis: Axis, by_px: float) -> Position:
    return replace(at, x_px=at.x_px + by_px) if axis is Axis.X else replace(at, y_px=at.y_px + by_px)
