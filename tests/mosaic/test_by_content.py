"""Registration by content alone: what it finds where pixels differ everywhere, and what it refuses."""

from itertools import product

import cv2
import numpy as np
import pytest

from imageflow_domain.geometry import Offset
from imageflow_domain.grid import Cell, Grid
from imageflow_mosaic.by_content import ContentMatch, register_by_content
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.content import Pairing, content_of
from imageflow_mosaic.fingerprint import fingerprint
from imageflow_mosaic.registration import register
from tests.mosaic.lossy_frames import jpeg
from tests.mosaic.worlds import city, neighbours, view, water
from tests.thorough import repeated

WIDTH_PX, HEIGHT_PX = 480, 384
REACH_PX = 24
STEP = Offset(dx_px=0, dy_px=HEIGHT_PX - 96)


def found(first: Pixels, second: Pixels, expected: Offset = STEP, reach_px: int = REACH_PX) -> ContentMatch | None:
    pairing = Pairing(reference=content_of(first), moving=content_of(second), expected=expected)
    seen = register_by_content([pairing], reach_px)
    return seen if isinstance(seen, ContentMatch) else None


def tiles(kinds: int, side_px: int, seed: int) -> Pixels:
    """A world of few kinds of square tiles, at random, 4096 x 3200 px."""
    dice = np.random.default_rng(seed)
    drawn = [
        cv2.GaussianBlur(dice.integers(0, 255, (side_px, side_px, 3)).astype(np.uint8), (0, 0), 1.5)
        for _ in range(kinds)
    ]
    across = dice.integers(0, kinds, (3200 // side_px, 4096 // side_px))
    return np.concatenate([np.concatenate([drawn[kind] for kind in row], axis=1) for row in across]).astype(np.uint8)


def waves(period_px: int) -> Pixels:
    """A faint ripple, the same over and over."""
    square = np.full((period_px, period_px, 3), 90, np.uint8)
    cv2.line(square, (4, 9), (period_px - 12, 6), (140, 140, 140), 2)
    return np.tile(square, (30, 30, 1))


def pair_of(world: Pixels, shift: Offset) -> tuple[Pixels, Pixels]:
    at = STEP + shift
    first = view(world, 40, 40, WIDTH_PX, HEIGHT_PX)
    return first, view(world, 40 + at.dx_px, 40 + at.dy_px, WIDTH_PX, HEIGHT_PX)


def test_frames_of_another_brightness_are_found_to_a_tenth_of_a_pixel() -> None:
    survey = city(Grid(rows=3, cols=3), seed=1, view=(640, 512), paused=True, water=0.0)
    at = {area.cell: area.position for area in survey.areas if area.position is not None}
    off = []
    for first, second in neighbours(at):
        expected = Offset(dx_px=round(at[second].x_px - at[first].x_px), dy_px=round(at[second].y_px - at[first].y_px))
        night = (0.6 * survey.pictures[second]).astype(np.uint8)
        match = found(jpeg(survey.pictures[first], 85), jpeg(night, 85), expected, reach_px=48)
        if match is None:
            continue
        shift, true = match.shift, survey.offset(first, second) - expected
        off.append(max(abs(shift.dx_px + match.dx_px - true.dx_px), abs(shift.dy_px + match.dy_px - true.dy_px)))
    assert len(off) >= 18
    assert max(off) < 0.1


def test_a_world_of_two_kinds_of_tiles_is_not_glued_together() -> None:
    world = tiles(2, 16, seed=7)
    for x_px, y_px, other_x_px, other_y_px, expected in (
        (1500, 350, 2359, 1131, Offset(dx_px=0, dy_px=576)),
        (19, 94, 1960, 280, Offset(dx_px=832, dy_px=576)),
    ):
        frames = view(world, x_px, y_px, 1024, 768), view(world, other_x_px, other_y_px, 1024, 768)
        first, second = (jpeg(frame, 75) for frame in frames)
        assert found(first, second, expected, reach_px=80) is None


@pytest.mark.parametrize(
    ("period_px", "reach_px"),
    repeated([(24, 30), (64, 12)], thorough=[*product((24, 32, 40, 64), (12, 30))]),
)
def test_waves_that_repeat_are_refused_however_few_of_them_the_reach_holds(period_px: int, reach_px: int) -> None:
    first, second = (jpeg(frame, 95) for frame in pair_of(waves(period_px), Offset(dx_px=2, dy_px=9)))
    assert found(first, second, reach_px=reach_px) is None


def test_frames_without_any_detail_are_refused() -> None:
    flat = np.full((HEIGHT_PX, WIDTH_PX, 3), 90, np.uint8)
    assert found(flat, flat) is None
    assert found(water(HEIGHT_PX, WIDTH_PX), flat) is None


def test_grey_screenshots_that_were_compressed_are_registered_though_they_have_few_shades() -> None:
    world = city(Grid(rows=1, cols=1), seed=1, view=(1100, 512), paused=True, water=0.0).pictures[Cell(row=0, col=0)]
    grey = np.repeat(cv2.cvtColor(world, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    # 441 px apart: no multiple of JPEG's blocks, whose pixels would be equal.
    first, second = (fingerprint(jpeg(view(grey, x_px, 0, 640, 512), 85)) for x_px in (0, 441))
    match = register(first, second, Offset(dx_px=450, dy_px=5), reach_px=24)
    assert match is not None
    assert match.offset == Offset(dx_px=441, dy_px=0)
