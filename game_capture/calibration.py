"""How far one press moves a camera, learnt from its first moves. Pure."""

from dataclasses import dataclass, replace

from game_capture.loop import SURE_WINDOWS, Axis, Move
from imageflow_domain.capture import Movement
from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Offset

PROBES = 6
"""Moves that are looked at; where these do not tell, the configuration is believed."""

_STILL = 3
"""Probes that all show a camera at rest: it is no lost press."""

_PROBE_PX = 48
"""A probe goes about so far: enough to be seen, and little enough to be seen whole."""

_EQUAL_PX = 2.0
_ALIKE = 0.1
"""By so much of a press, the configured distance may be off and is still the one that was meant."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What is known of one axis."""

    press_px: float
    """How far one press moves the camera."""
    probes: int = 0
    still: int = 0
    """Probes that did not move the camera at all."""
    measured_px: float | None = None
    """What the last probe that moved it told of one press."""
    is_done: bool = False

    def after(self, move: Move, seen: Movement | None) -> "Calibration":
        """Return what is known after a probe.

        Raises:
            InvalidInput: Where the camera goes the wrong way.
        """
        known = replace(self, probes=self.probes + 1, is_done=self.probes + 1 >= PROBES)
        if seen is None or not is_sure(seen):
            return known
        along = move.direction * _along(seen.offset, move.axis)
        across = abs(_along(seen.offset, move.axis.other))
        if along < -_EQUAL_PX and across <= _EQUAL_PX:
            raise InvalidInput(wrong_way(move))
        if along <= _EQUAL_PX:
            return replace(known, still=self.still + 1)
        press_px = along / abs(move.presses)
        if abs(along - abs(move.presses) * self.press_px) <= max(_EQUAL_PX, _ALIKE * self.press_px / 2):
            return replace(known, measured_px=press_px, is_done=True)
        if self.measured_px is not None and abs(press_px - self.measured_px) <= _EQUAL_PX:
            return replace(known, press_px=(press_px + self.measured_px) / 2, measured_px=press_px, is_done=True)
        return replace(known, measured_px=press_px)

    @property
    def stands_still(self) -> bool:
        """Whether presses do not move the camera."""
        return self.still >= _STILL and self.measured_px is None


def probe(move: Move, calibration: Calibration) -> Move:
    """Return the first move of an axis: a few presses, a few more where earlier ones did nothing."""
    presses = max(1, round(_PROBE_PX / calibration.press_px)) * (1 + calibration.still)
    return replace(move, presses=move.direction * min(abs(move.presses), presses))


def wrong_way(move: Move) -> str:
    """Say that a camera went the other way, and which setting is wrong."""
    names = ("left", "right") if move.axis is Axis.X else ("up", "down")
    here, other = names[move.direction > 0], names[move.direction < 0]
    return (
        f"The camera moved {other} when it was sent {here}: exchange scroll.{names[0]} and scroll.{names[1]}, or "
        "change the sign of scroll.camera_px_per_px."
    )


def stood_still(move: Move) -> str:
    """Say that presses did nothing, and which setting may be wrong."""
    names = ("left", "right") if move.axis is Axis.X else ("up", "down")
    return (
        f"The camera stood still when it was sent {names[move.direction > 0]}, {_STILL} times in a row: see by "
        f"`prepare` that the map takes keys and no menu is open, and that scroll.{names[move.direction > 0]} is the "
        "game's own way to move."
    )


def is_sure(seen: Movement | None) -> bool:
    """Whether a movement may be believed whatever was pressed."""
    return seen is not None and seen.is_only and seen.windows >= SURE_WINDOWS


def _along(offset: Offset, axis: Axis) -> int:
    return offset.dx_px if axis is Axis.X else offset.dy_px
