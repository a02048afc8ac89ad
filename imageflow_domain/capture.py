"""The result of one area of a survey: its frame, where it was seen to lie, how sure that is, and what the area is."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from imageflow_domain.errors import PositionUnreachable
from imageflow_domain.geometry import Offset, Position
from imageflow_domain.grid import Cell

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class AreaState(StrEnum):
    """The outcome of an area. Until it is known the area is only planned."""

    TAKEN = "taken"
    """It has a screenshot."""
    HOLE = "hole"
    """It lies in the world, and has no screenshot: nothing usable was shown."""
    OUTSIDE = "outside"
    """It lies beyond the world's edge, or beyond a turn around it: there is nothing new to show."""


@dataclass(frozen=True, kw_only=True)
class Uncertainty:
    """How far a position may be off, on each axis, in px."""

    x_px: float
    y_px: float

    def __add__(self, other: "Uncertainty") -> "Uncertainty":
        return Uncertainty(x_px=self.x_px + other.x_px, y_px=self.y_px + other.y_px)

    def allows(self, one: Position, other: Position) -> bool:
        """Whether two places may be the same."""
        return abs(one.x_px - other.x_px) <= self.x_px and abs(one.y_px - other.y_px) <= self.y_px

    @property
    def longest_px(self) -> float:
        """On the axis where it is larger."""
        return max(self.x_px, self.y_px)


EXACT = Uncertainty(x_px=0.0, y_px=0.0)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """After how many px a world that wraps around begins again, on each axis; `None` where that was not seen."""

    x_px: float | None = None
    y_px: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Grabbed:
    """What a driver brings from one area."""

    frame: "NDArray[np.uint8] | None"
    """RGB, shape (height, width, 3); `None` for a hole, and outside the world."""
    position: Position | None
    """Where the driver believes that the frame's top left corner lies; `None` where it knows no positions."""
    uncertainty: Uncertainty | None = None
    """Of the position, within the driver's session; `None` where the driver does not measure: then the survey's reach
    stands for it."""
    state: AreaState = AreaState.TAKEN
    is_settled: bool = True
    """False where the image still changed when its time was up, and was taken as it was."""
    session_offset: Position | None = None
    """How far the session's plane lies from the survey's, as far as the driver has learnt by now."""
    turn: Turn | None = None
    """The world's turn, where the driver has learnt it and the survey does not know it yet."""

    @property
    def picture(self) -> "NDArray[np.uint8]":
        """The frame of an area that was taken; raises `PositionUnreachable` for any other."""
        if self.frame is None:
            what = "lies outside the world" if self.state is AreaState.OUTSIDE else "showed nothing that can be used"
            raise PositionUnreachable(f"The area {what}: it has no picture.")
        return self.frame


@dataclass(frozen=True, kw_only=True)
class Movement:
    """How far a camera moved between two frames, as both show it."""

    offset: Offset
    """Of the later frame's top left corner, seen from the earlier one's."""
    windows: int
    """Sub-windows of what both frames show, each with some detail, that agree on it."""
    is_only: bool
    """Every other offset within reach is refuted."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredFrame:
    """A frame that is stored already, of this or an earlier run."""

    cell: Cell
    frame: "NDArray[np.uint8]"
    """RGB, shape (height, width, 3)."""
    position: Position
    """Where it lies in the survey's plane."""
    uncertainty: Uncertainty


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """What is known of an area once the camera was there, as it is stored."""

    cell: Cell
    state: AreaState
    position: Position | None
    """In the plane of its session; `None` for a hole and outside the world, and where the driver knows none."""
    uncertainty: Uncertainty | None
    """As `Grabbed` says."""
    session: int | None
    """Number of the capture session that saw it; `None` for screenshots of an older version."""
    is_settled: bool = True


@dataclass(frozen=True, kw_only=True)
class CaptureSession:
    """From one start of a game to its end, within one run."""

    number: int
    """From 1, within the survey."""
    offset: Position | None
    """From the session's plane to the survey's; `None` where no frame of it was tied to another session's yet."""
