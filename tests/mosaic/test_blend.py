"""Blending of lossy shots: its rules on drawn shots, and its worth against the game's own picture."""

from collections.abc import Sequence
from functools import partial
from itertools import product

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Grid
from imageflow_mosaic.blend import blend
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.compose import PlacedShot, compose
from tests.mosaic import lossy_frames, worlds
from tests.thorough import repeated

FORMATS = {
    "JPEG 95": partial(lossy_frames.jpeg, quality=95),
    "JPEG 90": partial(lossy_frames.jpeg, quality=90),
    "JPEG 75": partial(lossy_frames.jpeg, quality=75),
    "JPEG 60": partial(lossy_frames.jpeg, quality=60),
    "WebP 80": lossy_frames.webp,
}
NOISE = {"JPEG 95": 2.8, "JPEG 90": 5.3, "JPEG 75": 9.4, "JPEG 60": 10.7, "WebP 80": 5.1}
"""As the overlaps of the real set have it; `test_the_noise_of_a_format_is_what_its_overlaps_show` holds them to it."""

Mask = NDArray[np.bool_]


def rect(x_px: int, y_px: int, width_px: int, height_px: int) -> Rect:
    return Rect(x_px=x_px, y_px=y_px, width_px=width_px, height_px=height_px)


@st.composite
def shot_sets(draw: st.DrawFn) -> list[PlacedShot]:
    """Shots of one ground with noise, in some of which patches show something else."""
    dice = np.random.default_rng(draw(st.integers(0, 2**32)))
    ground = dice.integers(40, 200, (70, 70, 3))
    shots = []
    for x, y in draw(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=6)):
        height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
        pixels = ground[y : y + height, x : x + width] + dice.integers(-5, 6, (height, width, 3))
        pixels[: height // 3, : width // 3] += draw(st.sampled_from((0, 50)))
        shots.append(PlacedShot(x_px=x, y_px=y, pixels=pixels.astype(np.uint8)))
    return shots


mask_sets = st.lists(
    st.builds(rect, st.integers(-2, 30), st.integers(-2, 30), st.integers(1, 12), st.integers(1, 12)), max_size=2
)


@given(shot_sets(), mask_sets, st.data())
@settings(max_examples=repeated(30, thorough=80), deadline=None)
def test_neither_the_order_of_the_shots_nor_the_rectangle_changes_a_pixel(
    shots: list[PlacedShot], masks: list[Rect], data: st.DataObject
) -> None:
    whole = blend(shots, rect(-3, -3, 80, 80), masks, noise=3.0)
    shuffled = data.draw(st.permutations(shots))
    x, y = data.draw(st.integers(-3, 60)), data.draw(st.integers(-3, 60))
    width, height = data.draw(st.integers(1, 17)), data.draw(st.integers(1, 17))
    part = blend(shuffled, rect(x, y, width, height), masks, noise=3.0)
    np.testing.assert_array_equal(part.rgba, whole.rgba[y + 3 : y + 3 + height, x + 3 : x + 3 + width])
    assert part.full == bool(part.covered.all())


@given(shot_sets(), mask_sets)
@settings(max_examples=repeated(20, thorough=40), deadline=None)
def test_it_covers_what_composing_covers_and_stays_within_the_shots_colours(
    shots: list[PlacedShot], masks: list[Rect]
) -> None:
    area = rect(-3, -3, 80, 80)
    blended = blend(shots, area, masks, noise=3.0)
    np.testing.assert_array_equal(blended.covered, compose(shots, area, masks).covered)
    highest, lowest = np.zeros((80, 80, 3), np.uint8), np.full((80, 80, 3), 255, np.uint8)
    for shot in shots:
        there = (slice(shot.y_px + 3, shot.rect.bottom_px + 3), slice(shot.x_px + 3, shot.rect.right_px + 3))
        highest[there] = np.maximum(highest[there], shot.pixels)
        lowest[there] = np.minimum(lowest[there], shot.pixels)
    shown = blended.covered
    assert (blended.rgb[shown] <= highest[shown]).all()
    assert (blended.rgb[shown] >= lowest[shown]).all()


def test_what_one_shot_alone_shows_is_unchanged_and_the_rest_is_empty() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (600, 700, 3), dtype=np.uint8)
    canvas = blend([PlacedShot(x_px=10, y_px=20, pixels=pixels)], rect(0, 0, 800, 700), noise=4.0)
    np.testing.assert_array_equal(canvas.rgb[20:620, 10:710], pixels)
    assert canvas.covered.sum() == 600 * 700
    assert not canvas.full


def test_equal_shots_give_what_composing_gives() -> None:
    world = worlds.land(400, 500)
    shots = [PlacedShot(x_px=x, y_px=y, pixels=worlds.view(world, x, y)) for x in (0, 140, 290) for y in (0, 110)]
    area = rect(0, 0, 500, 300)
    np.testing.assert_array_equal(blend(shots, area, noise=0.0).rgba, compose(shots, area).rgba)


def test_a_passing_sprite_vanishes_where_two_other_shots_show_the_ground() -> None:
    world = worlds.land(200, 240)
    shots = [PlacedShot(x_px=x, y_px=0, pixels=worlds.view(world, x, 0).copy()) for x in (0, 20, 40)]
    shots[1].pixels[60:90, 60:90] = (250, 250, 250)  # in the middle shot, which shows the place deepest inside
    canvas = blend(shots, rect(40, 0, 160, 160), noise=2.0)
    np.testing.assert_array_equal(canvas.rgb, world[:160, 40:200])


def test_of_two_shots_that_differ_the_one_that_shows_the_place_deeper_is_shown_alone() -> None:
    world = worlds.land(200, 300)
    left, right = (PlacedShot(x_px=x, y_px=0, pixels=worlds.view(world, x, 0).copy()) for x in (0, 80))
    left.pixels[60:90, 90:120] = (250, 250, 250)
    canvas = blend([left, right], rect(0, 0, 280, 160), noise=2.0)
    np.testing.assert_array_equal(canvas.rgb[60:90, 90:120], left.pixels[60:90, 90:120])
    np.testing.assert_array_equal(canvas.rgb[60:90, 150:200], world[60:90, 150:200])


def test_hundred_shots_of_one_place_are_their_mean() -> None:
    dice = np.random.default_rng(4)
    truth = worlds.land(24, 24)
    noisy = [np.clip(truth + dice.normal(0, 4, truth.shape), 0, 255).astype(np.uint8) for _ in range(100)]
    canvas = blend([PlacedShot(x_px=0, y_px=0, pixels=pixels) for pixels in noisy], rect(0, 0, 24, 24), noise=5.7)
    assert np.abs(canvas.rgb - np.mean(noisy, axis=0)).max() < 1.5


@pytest.mark.parametrize("noise", [-0.1, 256.0, float("nan")])
def test_a_noise_that_no_survey_has_is_refused(noise: float) -> None:
    with pytest.raises(InvalidInput, match="noise"):
        blend([], rect(0, 0, 8, 8), noise=noise)


@pytest.mark.parametrize("name", repeated(["JPEG 60", "WebP 80"], thorough=[*FORMATS]))
def test_lossy_frames_blend_to_a_picture_that_no_frame_surpasses(name: str) -> None:
    survey = lossy_frames.each(_survey(0), FORMATS[name])
    shots = [PlacedShot(x_px=x, y_px=y, pixels=survey.pictures[cell]) for cell, (x, y) in survey.truth.items()]
    area, truth = _area(shots), _truth(shots)
    blended = blend(shots, area, noise=NOISE[name]).rgb
    shared = _count(shots, area) > 1
    for shot in shots:
        there = _slices(shot.rect, area)
        where = shared[there]
        assert _psnr(blended[there], truth[there], where) > _psnr(shot.pixels, truth[there], where)
    gain = _psnr(blended, truth, shared) - _psnr(compose(shots, area).rgb, truth, shared)
    assert gain > 0.25
    assert _step_at_borders(blended, shots, area) < 1.1


@pytest.mark.parametrize("name", FORMATS)
def test_the_noise_of_a_format_is_what_its_overlaps_show(name: str) -> None:
    survey = lossy_frames.each(_survey(0), FORMATS[name])
    shots = [PlacedShot(x_px=x, y_px=y, pixels=survey.pictures[cell]) for cell, (x, y) in survey.truth.items()]
    assert _noise(shots) == pytest.approx(NOISE[name], rel=0.15)


@pytest.mark.parametrize(
    ("factor", "resampling"),
    repeated([(0.75, "bilinear"), (1.5, "bicubic")], thorough=[*product((0.75, 1.25, 1.5), lossy_frames.RESAMPLING)]),
)
def test_scaled_frames_at_rounded_places_blend_better_than_one_frame(factor: float, resampling: str) -> None:
    survey = lossy_frames.each(_survey(1), partial(lossy_frames.scaled, factor=factor, resampling=resampling))
    shots = [
        PlacedShot(x_px=round(x * factor), y_px=round(y * factor), pixels=survey.pictures[cell])
        for cell, (x, y) in survey.truth.items()
    ]
    area = _area(shots)
    scaled_world = lossy_frames.scaled(worlds.region("openttd-small"), factor, resampling)
    truth = scaled_world[area.y_px : area.bottom_px, area.x_px : area.right_px]
    blended = blend(shots, area, noise=_noise(shots)).rgb
    shared = _count(shots, area) > 1
    assert _psnr(blended, truth, shared) > _psnr(compose(shots, area).rgb, truth, shared) + 0.5
    assert _step_at_borders(blended, shots, area) < 1.1


@pytest.mark.parametrize("seed", repeated([1], thorough=[1, 2, 3]))
def test_moving_sprites_of_another_game_leave_no_ghosts(seed: int) -> None:
    city = worlds.city(Grid(cols=3, rows=2), seed=seed, drift_seed=seed, view=(800, 600))
    survey = lossy_frames.each(lossy_frames.cut(city, seed), FORMATS["JPEG 90"])
    shots = [PlacedShot(x_px=x, y_px=y, pixels=survey.pictures[cell]) for cell, (x, y) in survey.truth.items()]
    area = _area(shots)
    blended = blend(shots, area, noise=_noise(shots)).rgb
    nearest = np.full(blended.shape[:2], 255, np.uint8)
    for shot in shots:
        there = _slices(shot.rect, area)
        off = cv2.absdiff(blended[there], shot.pixels).max(axis=2)
        nearest[there] = np.minimum(nearest[there], off)
    shared = _count(shots, area) > 1
    assert (nearest[shared] > 60).mean() < 0.00001  # 0.0004 for plain feathering
    assert (nearest[shared] > 40).mean() < 0.0002


def _survey(seed: int) -> worlds.Surveyed:
    """Nine frames of the real set, cut at random corners."""
    return lossy_frames.cut(worlds.real("openttd-small", "nominal").corner(3), seed)


def _truth(shots: Sequence[PlacedShot]) -> Pixels:
    area = _area(shots)
    return worlds.region("openttd-small")[area.y_px : area.bottom_px, area.x_px : area.right_px]


def _area(shots: Sequence[PlacedShot]) -> Rect:
    left, top = min(shot.x_px for shot in shots), min(shot.y_px for shot in shots)
    right, bottom = max(shot.rect.right_px for shot in shots), max(shot.rect.bottom_px for shot in shots)
    return rect(left, top, right - left, bottom - top)


def _slices(box: Rect, area: Rect) -> tuple[slice, slice]:
    return (
        slice(box.y_px - area.y_px, box.bottom_px - area.y_px),
        slice(box.x_px - area.x_px, box.right_px - area.x_px),
    )


def _count(shots: Sequence[PlacedShot], area: Rect) -> NDArray[np.intp]:
    count = np.zeros((area.height_px, area.width_px), np.intp)
    for shot in shots:
        count[_slices(shot.rect, area)] += 1
    return count


def _noise(shots: Sequence[PlacedShot]) -> float:
    """The median over overlaps of the root mean square difference of grey values."""
    found = []
    for number, one in enumerate(shots):
        for other in shots[:number]:
            common = one.rect.intersection(other.rect)
            if common is not None and common.width_px * common.height_px > 20_000:
                here, there = (
                    cv2.cvtColor(np.ascontiguousarray(s.pixels[_slices(common, s.rect)]), cv2.COLOR_RGB2GRAY)
                    for s in (one, other)
                )
                found.append(np.sqrt(((here.astype(float) - there) ** 2).mean()))
    return float(np.median(found))


def _psnr(pixels: Pixels, truth: Pixels, where: Mask) -> float:
    error = ((pixels[where].astype(float) - truth[where]) ** 2).mean()
    return float(10 * np.log10(255**2 / error))


def _step_at_borders(pixels: Pixels, shots: Sequence[PlacedShot], area: Rect) -> float:
    """The step across the shots' borders over the step one pixel beside it; the median over borders inside the area."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(float)
    covered = _count(shots, area) > 0
    found = []
    for turned in (False, True):
        picture, shown = (grey.T, covered.T) if turned else (grey, covered)
        steps = np.abs(np.diff(picture, axis=1))
        for shot in shots:
            near, far = (shot.y_px - area.y_px, shot.rect.bottom_px - area.y_px)
            edges = (shot.x_px - area.x_px, shot.rect.right_px - area.x_px)
            if turned:
                (near, far), edges = edges, (near, far)
            for edge in edges:
                if 3 <= edge < picture.shape[1] - 3:
                    along = np.flatnonzero(shown[near:far, edge - 2 : edge + 2].all(axis=1)) + near
                    if along.size < 100:
                        continue
                    across = steps[along, edge - 1].mean()
                    beside = (steps[along, edge - 2].mean() + steps[along, edge].mean()) / 2
                    found.append(across / beside)
    return float(np.median(found))
