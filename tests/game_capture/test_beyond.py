"""Frames that show what lies beyond a land, and frames that only look like it."""

import numpy as np
import pytest

from game_capture.beyond import Beyond
from imageflow_domain.errors import InvalidInput

PATTERN = np.random.default_rng(1).integers(90, 98, (16, 32, 1), np.uint8).repeat(3, axis=2)
VOID = np.tile(PATTERN, (8, 8, 1))


def test_black_lies_beyond_every_land_and_a_plain_sea_beyond_none() -> None:
    assert Beyond(None).shown_in(np.zeros((64, 64, 3), np.uint8))
    sea = np.full((64, 64, 3), (20, 40, 90), np.uint8)
    assert not Beyond(None).shown_in(sea)
    assert not Beyond(PATTERN).shown_in(sea)


def test_a_frame_of_nothing_but_the_pictures_colours_lies_beyond() -> None:
    assert Beyond(PATTERN).shown_in(VOID[3:100, 5:120])
    assert not Beyond(None).shown_in(VOID)


def test_a_frame_with_a_corner_of_the_land_does_not() -> None:
    frame = VOID.copy()
    frame[-1, -1] = (200, 10, 10)
    assert not Beyond(PATTERN).shown_in(frame)


def test_a_picture_of_the_land_itself_is_refused() -> None:
    land = np.random.default_rng(2).integers(0, 256, (32, 32, 3), np.uint8)
    with pytest.raises(InvalidInput, match=r"'void\.png' has 1\d\d\d colours"):
        Beyond(land, "void.png")
