"""Rectangles that enclose a shape: all of it, and not much more."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imageflow_domain.geometry import Rect
from imageflow_mosaic.rectangles import Mask, bounds, enclosing


def _painted(rects: tuple[Rect, ...], shape: tuple[int, int]) -> Mask:
    painted = np.zeros(shape, np.bool_)
    for rect in rects:
        painted[rect.y_px : rect.bottom_px, rect.x_px : rect.right_px] = True
    return painted


def test_a_rectangle_is_one_rectangle() -> None:
    shape = np.zeros((60, 80), np.bool_)
    shape[11:40, 7:71] = True
    assert tuple(enclosing(shape)) == (Rect(x_px=7, y_px=11, width_px=64, height_px=29),)


@pytest.mark.parametrize("thick", [8, 16, 24])
def test_a_ring_is_four_rectangles(thick: int) -> None:
    shape = np.ones((160, 240), np.bool_)
    shape[thick:-thick, thick:-thick] = False
    found = tuple(enclosing(shape))
    assert len(found) == 4
    np.testing.assert_array_equal(_painted(found, shape.shape), shape)


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(1, 40), st.integers(1, 40)),
        min_size=1,
        max_size=4,
    )
)
@settings(deadline=None)
def test_every_shape_is_enclosed_and_inside_its_bounds(parts: list[tuple[int, int, int, int]]) -> None:
    shape = np.zeros((90, 90), np.bool_)
    for x, y, width, height in parts:
        shape[y : y + height, x : x + width] = True
    painted = _painted(tuple(enclosing(shape)), (90, 90))
    assert painted[shape].all()
    assert bounds(painted) == bounds(shape)
