"""How far one press moves a camera, learnt from its first moves. Pure."""

from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, TypeGuard

from game_capture.loop import SURE_WINDOWS, Axis, Move
from imageflow_domain.capture import Movement
from imageflow_domain.geometry import Offset

PROBES = 6
"""Moves that are measured; where these do not decide, the configuration is believed."""

_STILL = 4
"""Probes that all show a camera at rest: it is no lost press."""

_PROBE_PX = 48
"""A probe goes about so far: enough to be seen, and little enough to be seen whole."""

_REPEATS_OF_LOST = 3
"""Probes that must repeat a result that lost presses explain as well: one in ten may be lost."""

_EQUAL_PX = 2.0
_PLACE_PX = 320
_PLACE_ALIKE = 0.25
"""The same where each click leads to the nearest tile: only a long probe tells how far a pixel of the minimap goes, and
by so much of its length it may be off."""

_ALIKE = 0.1
"""By so much of a press, the configured distance may be off and is still the one that was meant."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What is known of one axis."""

    press_px: float
    """How far one press moves the camera."""
    is_absolute: bool = False
    """Whether presses lead to a place, as clicks on a minimap do; it may be a tile beside the one that was clicked."""
    probes: int = 0
    still: int = 0
    """Probes that did not move the camera at all."""
    measured_px: float | None = None
    """Distance of one press, by the last probe that moved the camera."""
    repeats: int = 0
    """Earlier probes with the same result."""
    is_done: bool = False
    went_back: bool = False
    """Whether the last probe moved the camera the wrong way."""

    def after(self, move: Move, seen: Movement | None) -> "Calibration":
        """Return what is known after a probe."""
        known = replace(self, probes=self.probes + 1, is_done=self.probes + 1 >= PROBES)
        if seen is None or not is_sure(seen):
            return known
        along = move.direction * _along(seen.offset, move.axis)
        across = abs(_along(seen.offset, move.axis.other))
        if along < -_EQUAL_PX and across <= _EQUAL_PX:
            return replace(known, went_back=True)
        if not self.moves(move, seen):
            return replace(known, still=self.still + 1)
        press_px = along / abs(move.presses)
        if abs(along - abs(move.presses) * self.press_px) <= self._alike_px(move):
            return replace(known, measured_px=press_px, is_done=True)
        if self.measured_px is None or abs(press_px - self.measured_px) > _EQUAL_PX:
            return replace(known, measured_px=press_px, repeats=0)
        known = replace(known, measured_px=press_px, repeats=self.repeats + 1)
        if known.repeats < (_REPEATS_OF_LOST if self._may_be_lost(move, along) else 1):
            return known
        return replace(known, press_px=(press_px + self.measured_px) / 2, is_done=True)

    def _alike_px(self, move: Move) -> float:
        """How far a probe may be off where the configured distance is meant."""
        place_px = _PLACE_ALIKE * abs(move.presses) * self.press_px if self.is_absolute else 0.0
        return max(_EQUAL_PX, _ALIKE * self.press_px / 2, place_px)

    def _may_be_lost(self, move: Move, along: float) -> bool:
        """Whether fewer whole presses of the configured distance explain how far a probe went."""
        done = round(along / self.press_px)
        return 0 < done < abs(move.presses) and abs(along - done * self.press_px) <= _EQUAL_PX

    def moves(self, move: Move, seen: Movement) -> bool:
        """Whether a probe moved the camera its way."""
        return move.direction * _along(seen.offset, move.axis) > _EQUAL_PX

    @property
    def stands_still(self) -> bool:
        """Whether presses do not move the camera."""
        return self.still >= _STILL and self.measured_px is None


def probe(move: Move, calibration: Calibration) -> Move:
    """Return the first move of an axis: a few presses, more where earlier ones did nothing or may have been lost."""
    length_px = _PLACE_PX if calibration.is_absolute else _PROBE_PX
    presses = max(1, round(length_px / calibration.press_px)) * (1 + calibration.still) + calibration.repeats
    return replace(move, presses=move.direction * min(abs(move.presses), presses))


class ScrollNames(Protocol):
    """The settings of a way to scroll, as messages name them."""

    scale: ClassVar[str]
    turn: ClassVar[str]
    mover: ClassVar[str]
    is_absolute: ClassVar[bool]


_WAYS = {Axis.X: ("left", "right"), Axis.Y: ("up", "down")}


def wrong_way(move: Move, names: ScrollNames) -> str:
    """Say that a camera went the other way, and what to change."""
    back, way = _WAYS[move.axis][:: move.direction]
    what = names.turn.format(scale=names.scale, way=way, back=back)
    return f"The camera moved {back} when it was sent {way}: {what}."


def stood_still(move: Move, names: ScrollNames) -> str:
    """Say that presses did nothing, and which setting may be wrong."""
    back, way = _WAYS[move.axis][:: move.direction]
    turn = names.turn.format(scale=names.scale, way=way, back=back)
    return (
        f"The camera stood still when it was sent {way}, {_STILL} times in a row: see by `prepare` and `start_wait_s` "
        f"that the map is shown and no menu is open, and that scroll.{names.mover.format(way=way)} is right for this "
        f"game. If it stands at the edge of the world, it may go the wrong way: {turn}."
    )


def stopped(areas: int) -> str:
    """Say that a camera which moved before moves no more, and what may hold it."""
    return (
        f"The camera does not move any more, neither forward nor back, at {areas} areas in a row: a dialog may have "
        "popped up, or the game hangs. Let `prepare` pause the game or switch such messages off, and survey again."
    )


def is_still(seen: Movement) -> bool:
    """Whether a movement is none."""
    return max(abs(seen.offset.dx_px), abs(seen.offset.dy_px)) <= _EQUAL_PX


def is_sure(seen: Movement | None) -> TypeGuard[Movement]:
    """Whether a movement may be believed regardless of the presses."""
    return seen is not None and seen.is_only and seen.windows >= SURE_WINDOWS


def _along(offset: Offset, axis: Axis) -> int:
    return offset.dx_px if axis is Axis.X else offset.dy_px
