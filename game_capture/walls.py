"""Where a world was seen to end. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from game_capture.axis import Axis
from imageflow_domain.geometry import Position

_MOST = 32
"""The last ones that are kept."""

_ALIKE_PX = 2.0


@dataclass(frozen=True, kw_only=True)
class Wall:
    """A place at which two moves did not advance, and one back did, or an edge was found beside it."""

    at: Position
    """The camera there, in the plane of its start."""
    axis: Axis
    direction: int


def with_wall(walls: Sequence[Wall], wall: Wall) -> tuple[Wall, ...]:
    """Return walls and one more."""
    return (*walls[-_MOST + 1 :], wall)


def is_beside(walls: Sequence[Wall], place: Wall, *, off_px: float, aside_px: float) -> bool:
    """Whether an edge was found at the same height as a place where the camera is stopped: it is the same edge.

    Edges that slant are at another height there.

    Args:
        off_px: How far the place may be off, towards the edge.
        aside_px: How far aside the edge may have been found.
    """
    return any(
        (wall.axis, wall.direction) == (place.axis, place.direction)
        and abs(place.axis.of(wall.at) - place.axis.of(place.at)) <= _ALIKE_PX + off_px
        and abs(place.axis.other.of(wall.at) - place.axis.other.of(place.at)) <= aside_px
        for wall in walls
    )
