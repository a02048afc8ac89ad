"""Where two pictures differ, to the pixel, and which changed pixels lie together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from imageflow_domain.geometry import Rect
from imageflow_mosaic.changed import CELL_PX, ChangedCells, changed_cells, clusters

SIDE = 512


def _blank(colour: int = 7) -> NDArray[np.uint8]:
    picture = np.full((SIDE, SIDE, 4), colour, np.uint8)
    picture[..., 3] = 255
    return picture


def _at(x_px: int, y_px: int) -> Rect:
    return Rect(x_px=x_px, y_px=y_px, width_px=SIDE, height_px=SIDE)


def test_equal_pictures_have_no_changed_cells() -> None:
    cells = changed_cells(_blank(), _blank(), _at(0, 0))
    assert cells.row.size == 0
    assert clusters([cells]) == ()


def test_one_changed_rectangle_is_bounded_to_the_pixel() -> None:
    after = _blank()
    after[100:141, 37:90, 1] = 200
    (found,) = clusters([changed_cells(_blank(), after, _at(1024, 2048))])
    assert found.bounds == Rect(x_px=1024 + 37, y_px=2048 + 100, width_px=53, height_px=41)
    assert found.count == 53 * 41


def test_places_far_apart_are_told_apart_largest_first() -> None:
    after = _blank()
    after[0:4, 0:4] = 250
    after[300:310, 300:310] = 250
    after[..., 3] = 255
    found = clusters([changed_cells(_blank(), after, _at(0, 0))])
    assert [one.count for one in found] == [100, 16]


def test_a_place_over_the_border_of_two_tiles_is_one() -> None:
    left, right = _blank(), _blank()
    left[40:60, -5:, 0] = 99
    right[40:60, :8, 0] = 99
    parts = [changed_cells(_blank(), left, _at(0, 0)), changed_cells(_blank(), right, _at(SIDE, 0))]
    (found,) = clusters(parts)
    assert (found.bounds, found.count) == (Rect(x_px=SIDE - 5, y_px=40, width_px=13, height_px=20), 13 * 20)


def test_the_end_of_a_row_of_cells_does_not_touch_the_next_row_s_beginning() -> None:
    after = _blank()
    after[0, SIDE - 1, 0] = 9
    after[2 * CELL_PX, 0, 0] = 9
    assert len(clusters([changed_cells(_blank(), after, _at(0, 0))])) == 2


def test_what_one_picture_does_not_cover_is_not_compared() -> None:
    before, after = _blank(), _blank(90)
    before[:, :256] = 0
    (found,) = clusters([changed_cells(before, after, _at(0, 0))])
    assert found.bounds == Rect(x_px=256, y_px=0, width_px=256, height_px=SIDE)


def test_a_tolerance_passes_over_what_encoding_makes_of_equal_pixels() -> None:
    after = _blank()
    after[10, 10, 0] += 48
    after[200, 200, 2] += 49
    (found,) = clusters([changed_cells(_blank(), after, _at(0, 0), tolerance=48)])
    assert found.bounds == Rect(x_px=200, y_px=200, width_px=1, height_px=1)
    assert clusters([changed_cells(after, _blank(), _at(0, 0), tolerance=48)]) == (found,)


@settings(max_examples=60, deadline=None)
@given(
    st.sets(st.tuples(st.integers(0, 31), st.integers(0, 31)), min_size=1, max_size=90),
)
def test_clusters_are_those_of_a_dense_labelling(cells: set[tuple[int, int]]) -> None:
    """Against scipy.ndimage, which labels a whole picture."""
    dense = np.zeros((32, 32), np.bool_)
    for row, col in cells:
        dense[row, col] = True
    labels, number = ndimage.label(dense, np.ones((3, 3)))
    expected = sorted(
        (int((labels == n).sum()), *(s.start for s in box), *(s.stop for s in box))
        for n, box in enumerate(ndimage.find_objects(labels), 1)
    )
    row, col = (np.array(axis, np.int64) for axis in zip(*sorted(cells), strict=True))
    one = np.ones(row.size, np.int64)
    found = clusters([ChangedCells(row=row, col=col, count=one, left=col, top=row, right=col + 1, bottom=row + 1)])
    assert len(found) == number
    told = sorted((c.count, c.bounds.y_px, c.bounds.x_px, c.bounds.bottom_px, c.bounds.right_px) for c in found)
    assert told == expected


@pytest.mark.parametrize("pixels", [1, 5000])
def test_every_changed_pixel_is_counted_once(pixels: int) -> None:
    dice = np.random.default_rng(pixels)
    after = _blank()
    chosen = dice.choice(SIDE * SIDE, pixels, replace=False)
    after.reshape(-1, 4)[chosen, 2] = 200
    assert sum(one.count for one in clusters([changed_cells(_blank(), after, _at(0, 0))])) == pixels
