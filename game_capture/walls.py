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


def is_beside(walls: Sequence[Wall], place: Wall, aside_px: float) -> bool:
    """Whether an edge was found at the same height as a place, and no farther aside: it is the same edge.

    Edges that slant are at another height there.
    """
    return any(
        (wall.axis, wall.direction) == (place.axis, place.direction)
        and abs(place.axis.of(wall.at) - place.axis.of(place.at)) <= _ALIKE_PX
        and abs(place.axis.other.of(wall.at) - place.axis.other.of(place.at)) <= aside_px
        for wall in walls
    )
