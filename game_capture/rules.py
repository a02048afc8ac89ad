"""What is known of how a camera moves: presses, and how far they go. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from game_capture.axis import Axis

FIT_PX = 2.0
_FIT_SHARE = 0.1
"""How far from whole presses a movement may be: of a press."""

_NEAR_PX = 16.0
"""No move is worth less: frames lie where they are seen to lie, not where they were sent to."""


@dataclass(frozen=True, kw_only=True)
class Move:
    """Presses along one axis; below 0 to the left, and up."""

    axis: Axis
    presses: int

    @property
    def direction(self) -> int:
        """1 to the right or down, -1 to the left or up."""
        return 1 if self.presses > 0 else -1


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What is known of how the camera moves."""

    press_px: Mapping[Axis, float]
    """How far one press moves the camera."""
    hop_px: Mapping[Axis, float]
    """The longest move: the frames before and after it overlap."""

    def expected_px(self, move: Move) -> float:
        """Return how far the camera goes if no press is lost; below 0 to the left, and up."""
        return move.presses * self.press_px[move.axis]

    def fits(self, off_px: float, axis: Axis) -> bool:
        """Whether a distance is one that whole presses go."""
        press_px = self.press_px[axis]
        rest = abs(off_px - round(off_px / press_px) * press_px)
        return rest <= max(FIT_PX, _FIT_SHARE * press_px)

    def presses(self, distance_px: float, axis: Axis) -> int:
        """Return the presses that go nearest to a distance; none for less than half a press, or a few pixels."""
        if abs(distance_px) <= min(_NEAR_PX, self.hop_px[axis] / 8):
            return 0
        return round(distance_px / self.press_px[axis])

    def hop(self, presses: int, axis: Axis) -> int:
        """Return the presses of a move's first hop."""
        longest = max(1, int(self.hop_px[axis] / self.press_px[axis] + 0.5))
        return max(-longest, min(longest, presses))
