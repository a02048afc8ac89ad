"""The two axes along which a camera is moved."""

from enum import StrEnum

from imageflow_domain.geometry import Position


class Axis(StrEnum):
    """X grows to the right, Y downwards."""

    X = "x"
    Y = "y"

    @property
    def other(self) -> "Axis":
        """The axis across this one."""
        return Axis.Y if self is Axis.X else Axis.X

    def of(self, at: Position) -> float:
        """Return a place's coordinate."""
        return at.x_px if self is Axis.X else at.y_px
