"""Changed places of lossy surveys: none where nothing changed, and what was built is found."""

from collections.abc import Callable
from functools import cache, partial
from itertools import product

import cv2
import numpy as np
import pytest

from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Rect
from imageflow_domain.tiles import TILE_PX
from imageflow_mosaic.blend import blend
from imageflow_mosaic.changed import ChangedCells, Cluster, changed_lossy_cells, clusters
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.compose import PlacedShot
from tests.mosaic import lossy_frames, worlds
from tests.thorough import repeated

Change = Callable[[Pixels], Pixels]

FORMATS: dict[str, tuple[float, Change, float]] = {
    "JPEG 95": (1.0, partial(lossy_frames.jpeg, quality=95), 2.8),
    "JPEG 75": (1.0, partial(lossy_frames.jpeg, quality=75), 9.4),
    "JPEG 60": (1.0, partial(lossy_frames.jpeg, quality=60), 10.7),
    "WebP 80": (1.0, lossy_frames.webp, 5.1),
    "three quarters, bilinear": (0.75, partial(lossy_frames.scaled, factor=0.75, resampling="bilinear"), 10.6),
    "five quarters, bicubic": (1.25, partial(lossy_frames.scaled, factor=1.25, resampling="bicubic"), 7.4),
}
"""Scale, what happens to the frames, and the noise of the survey's overlaps."""

SETS = ("openttd-small", "openttd-keys", "openttd-water")
UNCHANGED = repeated(
    [("JPEG 60", "openttd-small"), ("WebP 80", "openttd-keys"), ("five quarters, bicubic", "openttd-water")],
    thorough=[*product(FORMATS, SETS)],
)
"""One format of each kind, and each set; `make soak` takes each format on all of them."""

HOUSE, ROAD, YARD = (950, 840), (1400, 1000), (1150, 1300)
"""Where something is built, in pixels of the real set's world."""


@pytest.mark.parametrize(("form", "name"), UNCHANGED)
def test_an_unchanged_world_surveyed_again_has_no_changed_places(form: str, name: str) -> None:
    assert _changes(name, form, seeds=(1, 2)) == ()


@pytest.mark.parametrize("form", repeated(["JPEG 60", "WebP 80", "five quarters, bicubic"], thorough=[*FORMATS]))
def test_a_house_a_road_and_a_yard_are_found_where_they_were_built(form: str) -> None:
    scale, _, _ = FORMATS[form]
    found = _changes("openttd-small", form, seeds=(3, 4), built=True)
    expected = [(HOUSE, 32, 32), (ROAD, 120, 8), (YARD, 32, 32)]
    assert len(found) == len(expected)
    for (x, y), width, height in expected:
        (one,) = (c for c in found if abs(_middle(c)[0] - scale * (x + width / 2)) < 60 * scale)
        bounds = one.bounds
        for edge, wanted in (
            (bounds.x_px, x),
            (bounds.y_px, y),
            (bounds.right_px, x + width),
            (bounds.bottom_px, y + height),
        ):
            assert edge == pytest.approx(wanted * scale, abs=9)


def test_a_change_across_the_border_of_two_tiles_is_one_place() -> None:
    world = cv2.cvtColor(worlds.land(512, 1024), cv2.COLOR_RGB2RGBA)
    built = world.copy()
    built[100:132, 496:528, :3] = (200, 180, 40)
    parts = [_tile_changes(world, built, x, noise=5.0) for x in (0, 512)]
    (found,) = clusters(parts)
    assert found.bounds == Rect(x_px=496, y_px=100, width_px=32, height_px=32)


def test_what_is_not_covered_is_no_change() -> None:
    world = cv2.cvtColor(worlds.land(512, 512), cv2.COLOR_RGB2RGBA)
    partly = world.copy()
    partly[:, 300:] = 0
    assert _tile_changes(world, partly, 0, noise=0.0).row.size == 0
    assert _tile_changes(partly, world, 0, noise=0.0).row.size == 0


def test_a_picture_a_pixel_beside_is_no_change() -> None:
    world = cv2.cvtColor(worlds.land(520, 520), cv2.COLOR_RGB2RGBA)
    first, second = np.ascontiguousarray(world[:512, :512]), np.ascontiguousarray(world[1:513, 1:513])
    assert _tile_changes(first, second, 0, noise=0.0).row.size == 0


@pytest.mark.parametrize("noise", [-1.0, 256.0, float("nan")])
def test_a_noise_that_no_survey_has_is_refused(noise: float) -> None:
    blank = np.zeros((32, 32, 4), np.uint8)
    with pytest.raises(InvalidInput, match="noise"):
        changed_lossy_cells(blank, blank, Rect(x_px=0, y_px=0, width_px=32, height_px=32), noise=noise)


def _tile_changes(before: Pixels, after: Pixels, x: int, noise: float) -> ChangedCells:
    where = Rect(x_px=x, y_px=0, width_px=512, height_px=512)
    return changed_lossy_cells(before[:, x : x + 512], after[:, x : x + 512], where, noise=noise)


def _changes(name: str, form: str, seeds: tuple[int, int], *, built: bool = False) -> tuple[Cluster, ...]:
    """Survey a real world twice, each time with other corners, and compare it tile by tile."""
    before, after = _mosaic(name, form, seeds[0]), _mosaic(name, form, seeds[1], built=built)
    parts = []
    for y in range(0, before.shape[0], TILE_PX):
        for x in range(0, before.shape[1], TILE_PX):
            here = (slice(y, y + TILE_PX), slice(x, x + TILE_PX))
            where = Rect(x_px=x, y_px=y, width_px=TILE_PX, height_px=TILE_PX)
            parts.append(changed_lossy_cells(before[here], after[here], where, noise=FORMATS[form][2]))
    return clusters(parts)


@cache
def _mosaic(name: str, form: str, seed: int, *, built: bool = False) -> Pixels:
    """Return what nine frames show of the world, RGBA, from its corner on."""
    scale, change, noise = FORMATS[form]
    survey = lossy_frames.cut(worlds.real(name, "nominal"), seed)
    shots = []
    for cell in sorted(survey.pictures):
        if cell.row < 3 and cell.col < 3:
            (x, y), pixels = survey.truth[cell], survey.pictures[cell].copy()
            if built:
                _build(pixels, x, y)
            shots.append(PlacedShot(x_px=round(x * scale), y_px=round(y * scale), pixels=change(pixels)))
    return blend(shots, Rect(x_px=0, y_px=0, width_px=2048, height_px=2048), noise=noise).rgba


def _build(pixels: Pixels, left: int, top: int) -> None:
    """Draw what was built into a frame whose corner lies at `left`, `top` of the world."""
    for (x, y), (width, height), colour in (
        (HOUSE, (32, 16), (150, 60, 50)),
        ((HOUSE[0], HOUSE[1] + 16), (32, 16), (190, 180, 170)),
        (ROAD, (120, 8), (110, 110, 110)),
        (YARD, (32, 32), (60, 60, 70)),
    ):
        pixels[max(0, y - top) : max(0, y - top + height), max(0, x - left) : max(0, x - left + width)] = colour


def _middle(one: Cluster) -> tuple[float, float]:
    bounds = one.bounds
    return (bounds.x_px + bounds.right_px) / 2, (bounds.y_px + bounds.bottom_px) / 2
