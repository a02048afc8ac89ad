"""A pilot on a camera that loses presses, stops at edges and sails over open water."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from game_capture.loop import Axis
from game_capture.pilot import Pilot
from game_capture.x11.scrolling import KeyScroll
from imageflow_domain.capture import EXACT, Turn
from imageflow_domain.errors import NoMap
from imageflow_domain.grid import Cell
from imageflow_mosaic.movement import FrameComparer
from tests.game_capture.cameras import (
    CELL,
    SNAKE,
    VIEW,
    WORLD,
    Camera,
    Stored,
    noise,
    pilot,
    place,
    stored,
)


@pytest.mark.parametrize("seed", range(12))
def test_where_most_presses_are_lost_no_edge_is_seen_in_the_middle_of_the_world(seed: int) -> None:
    sailing = pilot(Camera(loses=0.7, dice=Random(seed)))  # noqa: S311  no secret
    assert not any(sailing.go(CELL, there).is_at_edge for there in SNAKE)


@pytest.mark.parametrize("loses", [0.0, 0.1, 0.3])
def test_a_camera_that_loses_presses_comes_to_every_place(loses: float) -> None:
    camera = Camera(loses=loses)
    sailing = pilot(camera)
    for there in SNAKE:
        reached = sailing.go(CELL, there)
        assert reached.is_there
        assert (camera.at[0] - 320, camera.at[1] - 240) == (reached.position.x_px, reached.position.y_px)
        assert (reached.position, reached.uncertainty) == (there, EXACT)


def test_without_a_comparer_it_goes_by_dead_reckoning() -> None:
    camera = Camera(loses=0.3)
    reached = pilot(camera, blind=True).go(CELL, place(448, 176))
    assert reached.position == place(448, 176)
    assert reached.uncertainty is None
    assert camera.presses == 14 + 11


def test_an_edge_stops_it_and_is_told_where_each_row_has_its_own() -> None:
    camera = Camera(bounds=lambda y: (0, 640 if y < 400 else 960))
    sailing = pilot(camera)
    first = sailing.go(CELL, place(672))
    assert (first.is_there, first.is_at_edge, first.position) == (False, True, place(320))
    before = camera.presses
    assert sailing.go(CELL, place(896)).is_at_edge
    assert camera.presses == before, "the camera stayed where the edge is known"
    assert sailing.go(CELL, place(576, 176)).is_there


def test_a_camera_pressed_against_an_edge_on_its_way_lies_where_it_is_seen() -> None:
    camera = Camera(bounds=lambda _y: (0, 720))
    reached = pilot(camera).go(CELL, place(448))
    assert reached.is_at_edge
    assert reached.position == place(384)
    assert camera.at[0] == 320 + 384


def test_over_open_water_it_goes_on_less_sure_and_finds_itself_by_a_stored_frame() -> None:
    world = WORLD.copy()
    world[:, 600:1100] = (20, 40, 90)
    camera = Camera(world=world, at=[240, 240], loses=0.1)
    lost = pilot(camera).go(CELL, place(448))
    assert lost.uncertainty is not None
    assert lost.uncertainty.x_px > 0
    camera = Camera(world=world, at=[320, 240], loses=0.1)
    reached = pilot(camera, Stored(stored(320 + 672, 240 + 32, camera))).go(CELL, place(896))
    assert reached.uncertainty == EXACT
    assert camera.at[0] - 320 == reached.position.x_px == 896


def test_a_game_that_was_started_anew_elsewhere_learns_where_it_is() -> None:
    camera = Camera(at=[320 + 64, 240 - 32])
    known = stored(320 + 224, 240, camera)
    reached = pilot(camera, Stored(known)).go(CELL, place(0))
    assert reached.offset == place(64, -32)
    assert reached.position == place(-64, 32)
    assert tuple(camera.at) == (320, 240), "it went to where the area lies in the survey's plane"


def test_land_that_comes_again_after_a_turn_is_not_taken_for_the_same_place() -> None:
    camera = Camera(world=np.tile(noise(512, 1200), (1, 4, 1)))
    known = stored(320 + 224 + 512, 240, camera)
    sailing = pilot(camera, Stored(replace(known, position=place(224), uncertainty=EXACT)))
    assert sailing.go(CELL, place(0)).offset == place(0)
    sailing = pilot(Camera(world=camera.world), Stored(replace(known, position=place(224 + 512), uncertainty=EXACT)))
    sailing.turn = Turn(x_px=512)
    assert sailing.go(CELL, place(0)).offset is None


def test_a_sure_camera_asks_for_no_stored_frame() -> None:
    camera = Camera()
    frames = Stored(stored(320 + 32, 240, camera))
    sailing = pilot(camera, frames)
    sailing.go(CELL, place(0))
    asked = frames.asked
    sailing.go(CELL, place(224))
    assert frames.asked == asked


def test_a_corner_of_the_world_is_the_edge_both_ways() -> None:
    press_px, step_px = {Axis.X: 192.0, Axis.Y: 128.0}, {Axis.X: 192.0, Axis.Y: 128.0}
    camera = Camera(world=WORLD[:640], at=[512, 128], px=(192, 128), bounds=lambda _y: (0, 896))
    names = KeyScroll(px_per_press=(192, 128))
    sailing = Pilot(
        press=camera.press,
        look=camera.look,
        press_px=press_px,
        hop_px=step_px,
        view=VIEW,
        names=names,
        comparer=FrameComparer(),
        neighbours=None,
    )
    places = [(col, row) for row in range(4) for col in (range(4) if row % 2 == 0 else range(3, -1, -1))]
    reached = {(col, row): sailing.go(CELL, place(192.0 * col, 128.0 * row)) for col, row in places}
    assert {at for at, one in reached.items() if one.is_there} == {(col, row) for col in range(3) for row in range(3)}
    assert all(one.is_there or one.is_at_edge for one in reached.values())


def test_an_edge_over_open_water_is_told_by_the_picture_that_comes_back() -> None:
    world = WORLD[:600].copy()
    world[:560, :864] = (20, 40, 90)  # a move up leaves nothing in view that shows how far it went
    camera = Camera(world=world, at=[960, 168], bounds=lambda _y: (0, 1280))
    sailing = pilot(camera)
    for there in (place(0), place(224), place(224, 176)):
        assert sailing.go(CELL, there).is_there
    sailing.go(CELL, place(-416, 176))
    water = sailing.go(CELL, place(-416, 352))
    assert (water.is_at_edge, water.position) == (True, place(-416, 176))
    assert water.uncertainty is not None
    assert water.uncertainty.y_px == 0, "the move back and the return leave it as sure as before"
    assert camera.at == [960 - 416, 168 + 176]


def test_a_camera_held_where_the_row_beside_ended_is_at_no_edge() -> None:
    camera = Camera(bounds=lambda _y: (0, 640))
    sailing = pilot(camera)
    assert sailing.go(CELL, place(448)).is_at_edge
    assert sailing.go(CELL, place(320, 176)).is_there, "it stands below the edge that was found"
    camera.px = (0, 0)
    held, last = Cell(row=1, col=2), Cell(row=1, col=3)
    reached = sailing.go(held, place(448, 176))
    assert not reached.is_at_edge
    with pytest.raises(NoMap, match="neither forward nor back, at 2 areas in a row") as caught:
        sailing.go(last, place(672, 176))
    assert caught.value.cells == (held, last)


def test_a_camera_held_over_open_water_is_at_no_edge() -> None:
    world = WORLD[:600].copy()
    world[:560, :864] = (20, 40, 90)
    camera = Camera(world=world, at=[960, 168], bounds=lambda _y: (0, 1280))
    sailing = pilot(camera)
    for there in (place(0), place(224), place(224, 176), place(-416, 176)):
        sailing.go(CELL, there)
    camera.px = (0, 0)
    assert not sailing.go(CELL, place(-416, 352)).is_at_edge
    with pytest.raises(NoMap, match="does not move any more"):
        sailing.go(CELL, place(-416, 528))


def test_keys_that_go_the_wrong_way_are_named() -> None:
    with pytest.raises(NoMap, match=r"scroll\.right and scroll\.left"):
        pilot(Camera(px=(-32, 16))).go(CELL, place(224))


def test_keys_that_do_nothing_are_named() -> None:
    with pytest.raises(NoMap, match=r"stood still when it was sent right"):
        pilot(Camera(px=(0, 16))).go(CELL, place(224))


def test_a_press_that_goes_farther_than_it_should_is_learnt(caplog: pytest.LogCaptureFixture) -> None:
    camera = Camera(px=(40, 16))
    reached = pilot(camera).go(CELL, place(448))
    assert reached.is_there
    assert camera.at[0] - 320 == reached.position.x_px == 440
    assert "scroll.px_per_press says 32.0 along x, and the camera moves by 40.0 px" in caplog.text


def test_a_camera_that_moved_and_moves_no_more_is_told_at_the_second_area_in_a_row() -> None:
    camera = Camera()
    sailing = pilot(camera)
    first, held, last = (Cell(row=0, col=col) for col in range(3))
    sailing.go(first, place(224))
    camera.px = (0, 0)
    assert not sailing.go(held, place(448)).is_there
    with pytest.raises(NoMap, match="does not move any more, neither forward nor back, at 2 areas in a row") as caught:
        sailing.go(last, place(672))
    assert caught.value.cells == (held, last)
    assert np.array_equal(caught.value.picture, camera.look().frame)


def test_a_camera_that_moves_again_is_not_held() -> None:
    camera = Camera()
    sailing = pilot(camera)
    sailing.go(CELL, place(224))
    for col in range(2, 5):
        camera.px = (0, 0)
        sailing.go(CELL, place(224.0 * col))
        camera.px = (32, 16)
        assert sailing.go(CELL, place(224.0 * col)).is_there


def test_what_was_taken_of_a_camera_that_never_moved_is_taken_anew() -> None:
    home, right = Cell(row=0, col=0), Cell(row=0, col=1)
    sailing = pilot(Camera(px=(0, 0)))
    sailing.go(home, place(0))
    with pytest.raises(NoMap, match="stood still") as caught:
        sailing.go(right, place(224))
    assert caught.value.cells == (home,)


@pytest.mark.parametrize("seed", range(20))
def test_presses_that_are_lost_at_the_start_are_no_other_scale(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    camera = Camera(loses=0.15, dice=Random(seed))  # noqa: S311  no secret
    sailing = pilot(camera)
    for there in SNAKE[:6]:
        assert sailing.go(CELL, there).is_there
    assert not caplog.messages


def test_a_press_that_goes_half_as_far_as_configured_is_learnt(caplog: pytest.LogCaptureFixture) -> None:
    camera = Camera(px=(16, 16))
    sailing = pilot(camera)
    assert sailing.go(CELL, place(224)).position == place(224)
    assert "scroll.px_per_press says 32.0 along x, and the camera moves by 16.0 px" in caplog.text
