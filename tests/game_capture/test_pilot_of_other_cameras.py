"""A pilot on cameras that a minimap sends, that obey late, or that slide along the world's edge."""

import pytest

from game_capture.loop import Axis
from imageflow_domain.capture import EXACT
from tests.game_capture.cameras import CELL, SNAKE, Late, Minimap, Slanting, noise, pilot, place


def test_a_lost_click_on_a_minimap_is_made_again() -> None:
    camera = Minimap(loses=0.3)
    sailing = pilot(camera)
    for col, row in ((0, 0), (1, 0), (2, 0), (2, 1), (1, 1), (0, 1), (0, 2)):
        reached = sailing.go(CELL, place(224.0 * col, 176.0 * row))
        assert reached.is_there
        assert camera.at == [320 + 224 * col, 240 + 176 * row]
    assert camera.presses > 7, "no click was lost"


def test_a_minimap_shows_places_beyond_the_edge_of_the_world_as_near_as_they_are() -> None:
    camera = Minimap()
    sailing = pilot(camera)
    reached = [sailing.go(CELL, place(224.0 * col)) for col in range(7)]
    assert [one.is_there for one in reached] == [True] * 5 + [False] * 2
    assert camera.at == [1280, 240]
    assert sailing.go(CELL, place(0.0, 176.0)).is_there
    assert camera.at == [320, 416]


@pytest.mark.parametrize("loses", [0.0, 0.1])
@pytest.mark.parametrize("late_s", [0.5, 1.0, 2.5])
def test_a_camera_that_obeys_late_is_waited_for(late_s: float, loses: float) -> None:
    camera = Late(late_s=late_s, loses=loses)
    sailing = pilot(camera)
    for there in SNAKE:
        reached = sailing.go(CELL, there)
        assert reached.is_there
        assert camera.seen_at == (reached.position.x_px, reached.position.y_px)
        assert (reached.position, reached.uncertainty) == (there, EXACT)


def test_a_camera_that_slides_as_far_aside_as_it_was_sent_down_is_seen() -> None:
    camera = Slanting(world=noise(2400, 1600))
    sailing = pilot(camera, hop_px={Axis.X: 448.0, Axis.Y: 352.0}, view=camera.view)
    sailing.go(CELL, place(0, 0))
    reached = sailing.go(CELL, place(0, 352))
    assert reached.uncertainty == EXACT
    assert (camera.at[0] - 320, camera.at[1] - 240) == (reached.position.x_px, reached.position.y_px)
