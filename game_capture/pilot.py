"""Brings a camera to places by presses, and sees where it is: `loop` decides, this module presses and compares.

Without a comparer it goes by dead reckoning alone.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from game_capture import loop
from game_capture.calibration import (
    Calibration,
    ScrollNames,
    is_still,
    is_sure,
    probe,
    stood_still,
    stopped,
    wrong_way,
)
from game_capture.loop import Arrived, AtEdge, Axis, Belief, GivenUp, Move, Phase, Rules
from imageflow_domain.capture import EXACT, Movement, Turn, Uncertainty
from imageflow_domain.errors import NoMap
from imageflow_domain.geometry import Offset, Position, Size
from imageflow_domain.grid import Cell
from imageflow_domain.ports import Comparer, StoredFrames

Frame = NDArray[np.uint8]

_LOG = logging.getLogger(__name__)

_SLACK_PX = 64
"""A camera is looked for so far around all places that a move may end at."""

_SLIDE_SHARE = 1.0
"""Of a move, beyond its middle: pressed down against a slanting edge, a camera goes aside by as much."""

_PROBED_PX = 192
"""As long as it is not known how far a press goes."""


HELD_AREAS = 2
"""Areas in a row to which the camera goes neither forward nor back: at one alone, a slow game may explain it."""

_PATIENCE_S = 0.3
"""How long presses without effect are waited for at first."""

_MOST_PATIENCE_S = 4.0

_PROBE_PATIENCE_S = 3.0
"""At least, as long as it is not known how far a press goes."""

_GLANCE_S = 0.05
"""Between two looks."""

_NOWHERE = Position(x_px=0.0, y_px=0.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """What the camera shows."""

    frame: Frame
    """RGB, shape (height, width, 3)."""
    is_settled: bool


@dataclass(frozen=True, kw_only=True)
class Reached:
    """Where the camera is after it was sent to an area."""

    view: View
    position: Position
    """In the plane of this start of the game."""
    uncertainty: Uncertainty | None
    """`None` without a comparer: it was not measured."""
    offset: Position | None
    """From that plane to the survey's, as far as it is known."""
    is_there: bool
    is_at_edge: bool
    """Where it is not there: whether the world ends on the way."""


class Pilot:
    """Knows where the camera of one started game is.

    Args:
        press: Presses so often along an axis, below 0 to the left and up, which leads to a position, by what presses
            should move: in the plane of this start of the game.
        look: Returns what the camera shows once it stands still.
        press_px: How far one press should move the camera.
        hop_px: The longest move after which both frames overlap enough.
        view: Size of a frame.
        names: The settings that messages name.
        comparer: Sees how far the camera moved.
        neighbours: Frames of the survey that are stored already.
        clock: Seconds, from any moment on.
        sleep: Waits so many of them.
    """

    def __init__(
        self,
        *,
        press: Callable[[Axis, int, Position], None],
        look: Callable[[], View],
        press_px: Mapping[Axis, float],
        hop_px: Mapping[Axis, float],
        view: Size,
        names: ScrollNames,
        comparer: Comparer | None,
        neighbours: StoredFrames | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._press, self._look, self._view = press, look, view
        self._comparer, self._neighbours, self._names = comparer, neighbours, names
        self._rules = Rules(press_px=press_px, hop_px=hop_px)
        self._told_px = press_px
        self._made = dict.fromkeys(Axis, 0)
        """Presses that took effect since the start: a minimap is clicked where these lead."""
        self._calibration = {axis: Calibration(press_px=press_px[axis], is_absolute=names.is_absolute) for axis in Axis}
        self._belief = Belief(at=Position(x_px=0.0, y_px=0.0))
        self._offset: Position | None = None
        self._shown: View | None = None
        self._shown_at_stop: Frame | None = None
        """Before the last move back from what may be an edge."""
        self._moves = 0
        self._visited: list[Cell] = []
        self._held: list[Cell] = []
        """The last areas to which the camera did not go though nothing but a dialog explains it."""
        self.turn = Turn()
        """After how far the world begins again: land that is looked for lies nearer than half of that."""
        self._clock, self._sleep = clock, sleep
        self._patience_s = _PATIENCE_S
        """How late presses take effect: a slow game shows the map as it was before them, and that map stands still."""

    def go(self, cell: Cell, to: Position) -> Reached:
        """Bring the camera to an area.

        Args:
            to: Where the area lies in the survey's plane.

        Raises:
            NoMap: Where the camera goes the wrong way, has never moved, or does not move any more.
        """
        moves = self._moves
        ended = self._approach(to)
        self._check_obeys(cell)
        if self._moves == moves:
            self._shown = None  # it is looked at anew
        if self._anchor(cell):
            ended = self._approach(to)
        self._visited.append(cell)
        return Reached(
            view=self._shown_now(),
            position=self._belief.at,
            uncertainty=self._belief.uncertainty if self._comparer else None,
            offset=self._offset,
            is_there=isinstance(ended, Arrived),
            is_at_edge=isinstance(ended, AtEdge),
        )

    def _approach(self, to: Position) -> Arrived | AtEdge | GivenUp:
        offset = self._offset or _NOWHERE
        there = Position(x_px=to.x_px - offset.x_px, y_px=to.y_px - offset.y_px)
        self._belief, goal = loop.sent(self._belief, there, self._rules)
        while True:
            step = loop.next_step(self._belief, goal, self._rules)
            if not isinstance(step, Move):
                return step
            self._make(step)

    def _check_obeys(self, cell: Cell) -> None:
        if self._belief.obeys:
            return
        self._held.append(cell)
        if len(self._held) >= HELD_AREAS:
            raise NoMap(stopped(len(self._held)), picture=self._shown_now().frame, cells=self._held)

    def _make(self, move: Move) -> None:
        self._moves += 1
        if self._comparer is None:
            self._shown = None
            self._press(move.axis, move.presses, self._aim(move))
            self._believe(replace(loop.moved(self._belief, move, None, self._rules), uncertainty=EXACT))
            return
        calibration = self._calibration[move.axis]
        if not calibration.is_done:
            move = probe(move, calibration)
        before = self._shown_now()
        if self._belief.phase is Phase.BACK:
            self._shown_at_stop = before.frame
        self._shown = None
        self._press(move.axis, move.presses, self._aim(move))
        after = self._shown_now()
        seen = self._seen(before, after, move)
        seen = self._waited(before, after, move, seen)
        after = self._shown_now()
        if is_sure(seen) and not is_still(seen):
            self._held = []
        if calibration.is_done or seen is None or not is_sure(seen):
            since_stop = self._since_stop(after)
            self._believe(loop.moved(self._belief, move, seen, self._rules, since_stop=since_stop))
        else:
            self._belief = loop.shifted(self._belief, move, seen.offset)
            self._made[move.axis] += move.presses if calibration.moves(move, seen) else 0
        if not calibration.is_done:
            self._calibrate(move, seen, after.frame)

    def _waited(self, before: View, after: View, move: Move, seen: Movement | None) -> Movement | None:
        """Return what is seen of a move once all of its presses took effect, or have been waited for.

        How long, is learnt from presses that took effect after all.
        """
        is_done = self._calibration[move.axis].is_done
        began = self._clock()
        deadline = began + (self._patience_s if is_done else max(self._patience_s, _PROBE_PATIENCE_S))
        while seen is not None and is_sure(seen) and loop.is_short(seen, move, self._rules):
            if self._clock() >= deadline:
                return seen
            self._sleep(_GLANCE_S)
            latest = self._look()
            if np.array_equal(latest.frame, after.frame):
                continue
            after = self._shown = latest
            seen = self._seen(before, after, move)
        late_s = self._clock() - began
        if is_done and seen is not None and loop.has_late_presses(seen, move, self._rules):
            late_s = max(late_s, self._patience_s)
        self._patience_s = min(_MOST_PATIENCE_S, max(self._patience_s, 2 * late_s))
        return seen

    def _aim(self, move: Move) -> Position:
        """Where a move should lead, by what presses should move."""
        made = {**self._made, move.axis: self._made[move.axis] + move.presses}
        return Position(x_px=made[Axis.X] * self._told_px[Axis.X], y_px=made[Axis.Y] * self._told_px[Axis.Y])

    def _believe(self, belief: Belief) -> None:
        """Take over what is believed, and which presses took effect if it is so."""
        before, after = self._belief.at, belief.at
        self._made[Axis.X] += round((after.x_px - before.x_px) / self._rules.press_px[Axis.X])
        self._made[Axis.Y] += round((after.y_px - before.y_px) / self._rules.press_px[Axis.Y])
        self._belief = belief

    def _calibrate(self, move: Move, seen: Movement | None, shown: Frame) -> None:
        """Learn from a probe.

        Raises:
            NoMap: Where the camera goes the wrong way, or has never moved.
        """
        calibration = self._calibration[move.axis].after(move, seen)
        self._calibration[move.axis] = calibration
        if calibration.went_back:
            raise NoMap(wrong_way(move, self._names), picture=shown)
        if calibration.stands_still and self._calibration[move.axis.other].measured_px is None:
            raise NoMap(stood_still(move, self._names), picture=shown, cells=self._visited)
        if calibration.press_px != self._rules.press_px[move.axis]:
            _LOG.warning(
                "scroll.%s says %.1f along %s, and the camera moves by %.1f px: write that there.",
                self._names.scale,
                self._rules.press_px[move.axis],
                move.axis,
                calibration.press_px,
            )
            self._rules = replace(self._rules, press_px={**self._rules.press_px, move.axis: calibration.press_px})

    def _middle(self, move: Move) -> Offset:
        """The middle of all offsets that a move may have: presses may be lost, all of them."""
        half = round(self._rules.expected_px(move) / 2)
        return Offset(dx_px=half, dy_px=0) if move.axis is Axis.X else Offset(dx_px=0, dy_px=half)

    def _seen(self, before: View, after: View, move: Move) -> Movement | None:
        """Return how far a move brought the camera; presses of the move before may take effect now.

        Where that range of moves shows nothing that is the only one, they are taken for lost.
        """
        middle, missing = self._middle(move), self._belief.missing
        if missing is not None:
            seen = self._compare(before.frame, after.frame, middle, self._reach_px(move, missing))
            if seen is not None and seen.is_only:
                return seen
        return self._compare(before.frame, after.frame, middle, self._reach_px(move, None))

    def _since_stop(self, after: View) -> Movement | None:
        if self._belief.phase is not Phase.RETURN or self._shown_at_stop is None:
            return None
        return self._compare(self._shown_at_stop, after.frame, Offset(dx_px=0, dy_px=0), _SLACK_PX)

    def _reach_px(self, move: Move, missing: Move | None) -> int:
        late_px = 0.0 if missing is None else abs(self._rules.expected_px(missing))
        far_px = ceil(_SLIDE_SHARE * abs(self._rules.expected_px(move)) + late_px)
        return far_px + (_SLACK_PX if self._calibration[move.axis].is_done else _PROBED_PX)

    def _compare(self, before: Frame, after: Frame, expected: Offset, reach_px: int) -> Movement | None:
        return None if self._comparer is None else self._comparer.compare(before, after, expected, reach_px)

    def _shown_now(self) -> View:
        if self._shown is None:
            self._shown = self._look()
        return self._shown

    def _anchor(self, cell: Cell) -> bool:
        """Compare the view with stored frames beside an area where the camera's place is uncertain; return if it moved.

        A game that was started anew learns so where it is.
        """
        is_certain = self._offset is not None and self._belief.uncertainty == EXACT
        if self._neighbours is None or self._comparer is None or is_certain:
            return False
        for stored in self._neighbours.near(cell):
            if self._offset is not None and stored.uncertainty.longest_px >= self._belief.uncertainty.longest_px:
                continue
            at = self._belief.at + (self._offset or _NOWHERE)
            expected = Offset(dx_px=round(at.x_px - stored.position.x_px), dy_px=round(at.y_px - stored.position.y_px))
            seen = self._compare(stored.frame, self._shown_now().frame, expected, self._tie_reach_px())
            if seen is None:
                continue
            now = Position(x_px=stored.position.x_px + seen.offset.dx_px, y_px=stored.position.y_px + seen.offset.dy_px)
            off = Position(x_px=now.x_px - at.x_px, y_px=now.y_px - at.y_px)
            is_lost_presses = self._offset is not None and loop.is_lost_presses(off, self._belief, self._rules)
            if not seen.is_only or seen.windows < (loop.LEAST_WINDOWS if is_lost_presses else loop.SURE_WINDOWS):
                continue
            if self._offset is None:
                # what the moves so far may be off explains a small difference; a larger one, that it began elsewhere
                is_own = self._belief.uncertainty.allows(now, at)
                self._offset = _NOWHERE if is_own else off
            here = Position(x_px=now.x_px - self._offset.x_px, y_px=now.y_px - self._offset.y_px)
            self._believe(replace(self._belief, at=here, uncertainty=stored.uncertainty))
            return off != _NOWHERE
        return False

    def _tie_reach_px(self) -> int:
        """How far a camera may be from where it is believed: an edge may have pushed it away."""
        side_px = min(self._view.width_px, self._view.height_px)
        reach_px = max(side_px // 2 + _SLACK_PX, ceil(self._belief.uncertainty.longest_px) + _SLACK_PX)
        turns = [turn_px for turn_px in (self.turn.x_px, self.turn.y_px) if turn_px is not None]
        return min([reach_px, *(int(turn_px / 2) - 1 for turn_px in turns)])
