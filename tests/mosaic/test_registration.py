"""Registration of made-up pictures: known offsets are found, and nothing is found where nothing can be known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imageflow_domain.geometry import Offset, Rect
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.fingerprint import fingerprint
from imageflow_mosaic.registration import Match, register
from tests.mosaic.worlds import land, view, water

WORLD = land(700, 900)
REACH_PX = 40


def registered(
    first: Pixels, second: Pixels, expected: tuple[int, int], *, reach_px: int = REACH_PX, masks: tuple[Rect, ...] = ()
) -> Match | None:
    offset = Offset(dx_px=expected[0], dy_px=expected[1])
    return register(fingerprint(first, masks), fingerprint(second, masks), offset, reach_px)


@settings(deadline=None, max_examples=40)
@given(
    dx=st.integers(-95, 95),
    dy=st.integers(-100, 100),
    error=st.tuples(st.integers(-REACH_PX, REACH_PX), st.integers(-REACH_PX, REACH_PX)),
)
def test_register_recovers_a_known_offset(dx: int, dy: int, error: tuple[int, int]) -> None:
    match = registered(view(WORLD, 300, 250), view(WORLD, 300 + dx, 250 + dy), (dx + error[0], dy + error[1]))
    assert match is not None
    assert match.offset == Offset(dx_px=dx, dy_px=dy)
    assert match.agreement == 1.0
    assert match.compared_px == (200 - abs(dx)) * (160 - abs(dy))


def test_swapped_pictures_give_the_opposite_offset() -> None:
    first, second = view(WORLD, 100, 100), view(WORLD, 230, 110)
    there, back = registered(first, second, (120, 0)), registered(second, first, (-120, 0))
    assert there is not None
    assert back is not None
    assert there.offset == -back.offset == Offset(dx_px=130, dy_px=10)


def test_pictures_of_unequal_size_are_registered() -> None:
    match = registered(view(WORLD, 50, 60, 400, 300), view(WORLD, 200, 160, 120, 100), (140, 90))
    assert match is not None
    assert match.offset == Offset(dx_px=150, dy_px=100)


def test_an_offset_beyond_reach_is_not_found() -> None:
    assert registered(view(WORLD, 100, 100), view(WORLD, 230, 100), (130 - REACH_PX - 1, 0)) is None


def test_pictures_of_different_places_are_refused() -> None:
    assert registered(view(WORLD, 0, 0), view(WORLD, 500, 400), (150, 0)) is None


@pytest.mark.parametrize("picture", [water(160, 200), np.full((160, 200, 3), 60, np.uint8)], ids=["waves", "plain"])
def test_open_water_is_refused(picture: Pixels) -> None:
    assert registered(picture, picture, (100, 0)) is None


def test_pictures_that_cannot_overlap_within_reach_are_refused() -> None:
    assert registered(view(WORLD, 0, 0), view(WORLD, 0, 0), (500, 0)) is None


def test_a_few_pixels_drawn_otherwise_change_nothing() -> None:
    second = view(WORLD, 230, 110)
    second[40:42, 10:14] = 255
    match = registered(view(WORLD, 100, 100), second, (120, 0))
    assert match is not None
    assert match.offset == Offset(dx_px=130, dy_px=10)
    assert match.agreement < 1


def test_a_display_over_both_pictures_does_not_count_where_masked() -> None:
    mask = Rect(x_px=0, y_px=0, width_px=200, height_px=50)
    display = land(50, 200, seed=5)
    first, second = view(WORLD, 100, 100), view(WORLD, 130, 110)
    first[:50], second[:50] = display, display
    match = registered(first, second, (20, 0), masks=(mask,))
    assert match is not None
    assert match.offset == Offset(dx_px=30, dy_px=10)
    assert match.compared_px == 170 * 100  # hidden in either picture: 60 of the overlap's 150 rows, less what both hide
    assert match.agreement == 1.0


def shore(phase: int) -> Pixels:
    """A wide sea with an island, its palette at a phase."""
    world = water(400, 700, phase)
    world[120:260, 250:420] = land(140, 170, seed=3)
    return world


def test_running_water_around_an_island_is_left_out() -> None:
    match = registered(view(shore(0), 200, 100, 240, 200), view(shore(2), 300, 110, 240, 200), (90, 0))
    assert match is not None
    assert match.offset == Offset(dx_px=100, dy_px=10)
    assert match.agreement == 1.0
    assert match.compared_px < 140 * 190


def test_one_repeated_sprite_in_open_water_is_no_evidence() -> None:
    sprite = land(30, 30, seed=8)
    world = water(400, 900)
    for x in (260, 340):  # the first picture sees the one, the second the other
        world[100:130, x : x + 30] = sprite
    assert registered(view(world, 100, 60), view(world, 300, 60), (200 - 48, 0), reach_px=64) is None


def test_a_decisive_offset_is_refuted_nowhere_else() -> None:
    match = registered(view(WORLD, 100, 100), view(WORLD, 200, 100), (100, 0), reach_px=20)
    assert match is not None
    assert match.decisive


def test_an_offset_is_not_decisive_where_a_thin_overlap_of_water_would_do_as_well() -> None:
    world = water(400, 900)
    world[80:300, 420:500] = land(220, 80, seed=4)  # both see it, 40 px from either edge
    first, second = view(world, 340, 60, 200, 200), view(world, 380, 60, 200, 200)
    match = registered(first, second, (40, 0), reach_px=190)
    assert match is not None
    assert match.offset == Offset(dx_px=40, dy_px=0)
    assert not match.decisive
