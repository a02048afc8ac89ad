"""Fingerprints: two pictures of one place choose the same patches, and masked or empty places none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Rect
from imageflow_mosaic.fingerprint import FINE, PATCH_PX, Patches, fingerprint
from tests.mosaic.worlds import land, view

WORLD = land(400, 500)


def chosen(patches: Patches, x_px: int = 0, y_px: int = 0) -> set[tuple[int, int, int]]:
    """Patches by place in the world."""
    places = zip(patches.x_px + x_px, patches.y_px + y_px, patches.hashes, strict=True)
    return {(int(x), int(y), int(number)) for x, y, number in places}


@settings(deadline=None, max_examples=25)
@given(x=st.integers(0, 200), y=st.integers(0, 150))
def test_two_pictures_choose_the_same_patches_of_what_both_show(x: int, y: int) -> None:
    first, second = fingerprint(view(WORLD, 0, 0, 300, 240)), fingerprint(view(WORLD, x, y, 300, 240))
    both = Rect(x_px=x, y_px=y, width_px=300 - x, height_px=240 - y)
    seen = first.sample(both, one_in=FINE)
    other = second.sample(both.model_copy(update={"x_px": 0, "y_px": 0}), one_in=FINE)
    assert chosen(seen) == chosen(other, x, y)
    assert len(seen.x_px) > both.width_px * both.height_px / FINE / 3


def test_patches_keep_clear_of_masks() -> None:
    mask = Rect(x_px=-10, y_px=20, width_px=60, height_px=30)
    patches = fingerprint(WORLD, [mask]).sample(Rect(x_px=0, y_px=0, width_px=500, height_px=400), one_in=FINE)
    touches = (patches.x_px < 50) & (patches.y_px > 20 - PATCH_PX) & (patches.y_px < 50)
    assert not touches.any()
    assert ((patches.x_px == 50) & (patches.y_px > 20) & (patches.y_px < 50)).any()


def test_a_window_bounds_whole_patches() -> None:
    window = Rect(x_px=7, y_px=9, width_px=40, height_px=30)
    patches = fingerprint(WORLD).sample(window, one_in=FINE)
    assert patches.x_px.min() >= 7
    assert patches.x_px.max() + PATCH_PX <= 47
    assert patches.y_px.min() >= 9
    assert patches.y_px.max() + PATCH_PX <= 39


@pytest.mark.parametrize(("width_px", "height_px"), [(3, 40), (40, 3), (1, 1)])
def test_a_window_smaller_than_a_patch_has_none(width_px: int, height_px: int) -> None:
    window = Rect(x_px=0, y_px=0, width_px=width_px, height_px=height_px)
    assert fingerprint(WORLD).sample(window, one_in=FINE).hashes.size == 0


def test_a_plain_colour_has_no_patches() -> None:
    assert fingerprint(np.full((100, 100, 3), 77, np.uint8)).coarse.hashes.size == 0


@pytest.mark.parametrize("pixels", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3))])
def test_other_pixels_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(InvalidInput):
        fingerprint(pixels)
