"""Which squares are composed, from which shots, and how long each shot is held."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from imageflow_domain.geometry import Rect
from imageflow_domain.tiles import SQUARE_PX
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.compose import PlacedShot, compose
from imageflow_mosaic.squares import compose_squares, plan_squares


def rect(x_px: int, y_px: int, width_px: int = 1280, height_px: int = 1024) -> Rect:
    return Rect(x_px=x_px, y_px=y_px, width_px=width_px, height_px=height_px)


shot_lists = st.lists(
    st.builds(rect, st.integers(-5000, 5000), st.integers(-5000, 5000), st.integers(1, 3000), st.integers(1, 3000)),
    max_size=8,
)


@given(shot_lists)
@settings(max_examples=60, deadline=None)
def test_every_shot_is_in_exactly_the_squares_that_it_touches(shots: list[Rect]) -> None:
    planned = plan_squares(shots)
    assert len({square.rect for square in planned}) == len(planned)
    for number, shot in enumerate(shots):
        areas = [
            common.width_px * common.height_px
            for s in planned
            if number in s.shots and (common := s.rect.intersection(shot))
        ]
        assert sum(areas) == shot.width_px * shot.height_px


@given(shot_lists)
@settings(max_examples=60, deadline=None)
def test_a_shot_is_let_go_once_after_its_last_square(shots: list[Rect]) -> None:
    planned = plan_squares(shots)
    assert sorted(number for square in planned for number in square.last_of) == list(range(len(shots)))
    gone: set[int] = set()
    for square in planned:
        assert gone.isdisjoint(square.shots)
        gone.update(square.last_of)


def test_squares_outside_the_bounds_are_left_out() -> None:
    shots = [rect(0, 0, 2 * SQUARE_PX, 10)]
    assert [s.rect.x_px for s in plan_squares(shots)] == [0, SQUARE_PX]
    assert [s.rect.x_px for s in plan_squares(shots, rect(SQUARE_PX, 0))] == [SQUARE_PX]


def test_squares_in_a_row_equal_one_composition_and_load_each_shot_once() -> None:
    rng = np.random.default_rng(1)
    places = [rect(x, y, 900, 700) for y in (-100, 500) for x in (1500, 2300)]
    pictures = [rng.integers(0, 2, (700, 900, 3), dtype=np.uint8) for _ in places]
    loaded: list[int] = []

    def load(number: int) -> Pixels:
        loaded.append(number)
        return pictures[number]

    canvases = list(compose_squares(places, load))
    assert sorted(loaded) == [0, 1, 2, 3]
    shots = [PlacedShot(x_px=p.x_px, y_px=p.y_px, pixels=pixels) for p, pixels in zip(places, pictures, strict=True)]
    assert len(canvases) == 4
    for canvas in canvases:
        np.testing.assert_array_equal(canvas.rgba, compose(shots, canvas.rect).rgba)
