"""What covers leave of a rectangle is exactly its other pixels, each once."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imageflow_domain.geometry import Rect

_RECTS = st.builds(
    Rect,
    x_px=st.integers(-5, 20),
    y_px=st.integers(-5, 20),
    width_px=st.integers(1, 12),
    height_px=st.integers(1, 12),
)


@given(st.lists(_RECTS, max_size=5))
def test_what_is_left_is_every_uncovered_pixel_once(covers: list[Rect]) -> None:
    whole = Rect(x_px=0, y_px=0, width_px=20, height_px=16)
    counted = np.zeros((40, 40), int)
    for part in whole.without(covers):
        counted[part.y_px : part.bottom_px, part.x_px : part.right_px] += 1
    wanted = np.zeros((40, 40), int)
    wanted[:16, :20] = 1
    for cover in covers:
        wanted[max(0, cover.y_px) : max(0, cover.bottom_px), max(0, cover.x_px) : max(0, cover.right_px)] = 0
    assert (counted == wanted).all()
