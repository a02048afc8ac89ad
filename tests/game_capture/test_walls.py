"""When an edge that was found at one place explains why a camera is stopped at another."""

import pytest

from game_capture.axis import Axis
from game_capture.walls import Wall, is_beside, with_wall
from imageflow_domain.geometry import Position


def wall(x_px: float, y_px: float, axis: Axis = Axis.Y, direction: int = 1) -> Wall:
    return Wall(at=Position(x_px=x_px, y_px=y_px), axis=axis, direction=direction)


FOUND = (wall(504, 405),)


@pytest.mark.parametrize(
    ("place", "off_px", "is_same"),
    [
        (wall(0, 405), 0, True),
        (wall(1008, 405), 0, True),
        (wall(1512, 405), 0, False),
        (wall(0, 365), 0, False),
        (wall(0, 0), 405, True),
        (wall(0, 405, direction=-1), 0, False),
        (wall(0, 405, axis=Axis.X), 0, False),
    ],
    ids=["left", "right", "far aside", "a slant", "not sure", "the other way", "the other axis"],
)
def test_an_edge_is_the_same_beside_where_it_was_found(place: Wall, off_px: float, is_same: bool) -> None:
    assert is_beside(FOUND, place, off_px=off_px, aside_px=520) is is_same


def test_only_the_last_walls_are_kept() -> None:
    walls: tuple[Wall, ...] = ()
    for number in range(100):
        walls = with_wall(walls, wall(number, 0))
    assert [one.at.x_px for one in walls] == list(range(68, 100))
