"""Overlays are found in real and drawn frames; where the map alone looks alike in all frames, nothing is."""

from collections.abc import Callable, Sequence
from functools import cache, lru_cache, partial
from itertools import cycle, product

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Cell, Grid
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.overlays import LEAST_FRAMES, MOST_FRAMES, find_overlays, sample_of
from tests.mosaic import lossy_frames, worlds
from tests.thorough import repeated

Drawing = Callable[[Pixels, int], Pixels]

WATERMARK = Rect(x_px=600, y_px=40, width_px=160, height_px=40)
CLOCK = Rect(x_px=20, y_px=600, width_px=160, height_px=40)
PANEL = Rect(x_px=0, y_px=664, width_px=1000, height_px=80)


def watermark(pixels: Pixels, number: int, opacity: float = 0.35) -> Pixels:
    return lossy_frames.with_watermark(pixels, WATERMARK, opacity)


def clock(pixels: Pixels, number: int) -> Pixels:
    return lossy_frames.with_clock(pixels, CLOCK, 5000 + 37 * number)


def cursor(pixels: Pixels, number: int) -> Pixels:
    return lossy_frames.with_cursor(pixels, 500, 300)


def panel(pixels: Pixels, number: int) -> Pixels:
    drawn = pixels.copy()
    drawn[PANEL.y_px : PANEL.bottom_px, PANEL.x_px : PANEL.right_px] = (60, 64, 40)
    for x in range(20, 900, 160):
        cv2.putText(drawn, f"Menu {x}", (x, PANEL.y_px + 46), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (230, 230, 230), 1)
    return drawn


DRAWINGS: dict[str, Drawing] = {
    "watermark": watermark,
    "faint watermark": partial(watermark, opacity=0.2),
    "clock": clock,
    "resting cursor": cursor,
    "panel": panel,
}

FORMS: dict[str, Callable[[Pixels], Pixels]] = {
    "lossless": lambda pixels: pixels,
    "JPEG 75": partial(lossy_frames.jpeg, quality=75),
}

MOVING = [*product(("openttd-small", "openttd-water"), FORMS)]
DRAWN = repeated([*zip(DRAWINGS, cycle(MOVING), strict=False)], thorough=[*product(DRAWINGS, MOVING)])
"""Each drawing in one form of one set; `make soak` takes each in both forms of both."""

COUNTS = (24, 12, 8, 6)
ORDINARY = [*product(worlds.REAL_SETS, FORMS)]
COUNTED = repeated([*zip(ORDINARY, cycle(COUNTS), strict=False)], thorough=[*product(ORDINARY, COUNTS)])
"""Each form of each set in one number of frames; `make soak` takes each in all of them."""


@pytest.mark.parametrize(("drawing", "moving"), DRAWN)
def test_what_stays_while_the_map_moves_is_found(drawing: str, moving: tuple[str, str]) -> None:
    name, form = moving
    frames, bounds = _drawn(name, drawing)
    _assert_encloses(find_overlays([FORMS[form](pixels) for pixels in frames]), bounds)


@pytest.mark.parametrize(
    "drawing", repeated(["watermark", "panel"], thorough=["watermark", "clock", "resting cursor", "panel"])
)
def test_eight_frames_are_enough_for_what_is_plain(drawing: str) -> None:
    frames, bounds = _drawn("openttd-small", drawing, 8)
    _assert_encloses(find_overlays([FORMS["JPEG 75"](pixels) for pixels in frames]), bounds)


def test_two_overlays_are_told_apart_from_the_top_down() -> None:
    drawn = [clock(watermark(pixels, n), n) for n, pixels in enumerate(_real("openttd-small"))]
    first, second = find_overlays(drawn)
    assert _contains(first, WATERMARK.model_copy(update={"width_px": 100}))
    assert _contains(second, CLOCK)


def test_a_display_around_the_picture_is_rectangles_that_leave_the_map_free() -> None:
    def frame(pixels: Pixels) -> Pixels:
        drawn = pixels.copy()
        drawn[:50], drawn[-90:] = (40, 42, 60), (50, 42, 40)
        drawn[:, :70], drawn[:, -60:] = (40, 52, 50), (30, 42, 70)
        return drawn

    found = find_overlays([frame(pixels) for pixels in _real("openttd-small")])
    hidden = np.zeros((744, 1000), np.bool_)
    for rect in found:
        hidden[rect.y_px : rect.bottom_px, rect.x_px : rect.right_px] = True
    assert 4 <= len(found) <= 8
    assert not hidden[80:620, 100:900].any()
    inside = np.zeros((744, 1000), np.bool_)
    inside[50:-90, 70:-60] = True
    assert hidden[~inside].all()


@pytest.mark.parametrize("seed", repeated([1], thorough=[1, 2, 3]))
def test_the_display_of_another_game_is_found_unless_it_is_masked(seed: int) -> None:
    survey = worlds.city(Grid(cols=5, rows=4), seed=seed, drift_seed=seed, hud=True, view=(800, 600))
    frames = lossy_frames.frames_of(lossy_frames.each(survey, FORMS["JPEG 75"]))
    found = find_overlays(frames)
    assert len(found) == len(survey.masks)
    for rect, mask in zip(found, sorted(survey.masks, key=lambda mask: mask.y_px), strict=True):
        assert _contains(rect, mask)
        assert rect.width_px * rect.height_px < 1.25 * mask.width_px * mask.height_px
    assert find_overlays(frames, survey.masks) == ()


@pytest.mark.parametrize(("ordinary", "count"), COUNTED)
def test_ordinary_frames_have_no_overlays(ordinary: tuple[str, str], count: int) -> None:
    name, form = ordinary
    assert find_overlays([FORMS[form](pixels) for pixels in _real(name, count)]) == ()


@pytest.mark.parametrize("seed", repeated([0, 5], thorough=[*range(6)]))
def test_water_in_step_with_the_camera_is_no_overlay(seed: int) -> None:
    """The real set's frames lie at multiples of its water's period; some samples are mostly water."""
    frames = lossy_frames.frames_of(worlds.real("openttd-water", "nominal"))
    chosen = np.random.default_rng(seed).permutation(len(frames))[: (6, 7, 8, 12, 18, 24)[seed]]
    assert find_overlays([frames[n] for n in chosen]) == ()


@pytest.mark.parametrize("islands", repeated([0, 6, 45], thorough=[0, 1, 3, 6, 12, 20, 30, 45, 70]))
def test_islands_in_drawn_water_that_repeats_exactly_are_no_overlay(islands: int) -> None:
    world, dice = worlds.water(3700, 5900), np.random.default_rng(islands)
    for _ in range(islands):
        y, x = dice.integers(0, 3400), dice.integers(0, 5600)
        world[y : y + 300, x : x + 300] = worlds.land(300, 300, seed=1)
    frames = [worlds.view(world, 848 * col, 592 * row, 1000, 700) for row in range(5) for col in range(5)]
    assert find_overlays(frames) == ()


@pytest.mark.parametrize(("seed", "water"), repeated([(1, 0.2), (2, 0.9)], thorough=[*product((1, 2), (0.2, 0.9))]))
def test_another_game_has_no_overlays(seed: int, water: float) -> None:
    survey = worlds.city(Grid(cols=5, rows=4), seed=seed, drift_seed=seed, water=water, view=(800, 600))
    frames = lossy_frames.frames_of(survey)
    assert find_overlays(frames) == ()
    assert find_overlays(frames[::3]) == ()


@pytest.mark.parametrize("every", repeated([2, 6], thorough=[2, 3, 4, 6]))
def test_the_black_beyond_a_map_that_some_frames_show_is_no_overlay(every: int) -> None:
    def black(pixels: Pixels) -> Pixels:
        drawn = pixels.copy()
        drawn[:, :200] = 0
        return drawn

    frames = [black(pixels) if n % every else pixels for n, pixels in enumerate(_real("openttd-small"))]
    assert find_overlays(frames) == ()


def test_a_cursor_that_moves_is_no_overlay() -> None:
    dice = np.random.default_rng(6)
    places = [(int(dice.integers(0, 900)), int(dice.integers(0, 700))) for _ in range(MOST_FRAMES)]
    frames = [lossy_frames.with_cursor(pixels, *places[n]) for n, pixels in enumerate(_real("openttd-small"))]
    assert find_overlays(frames) == ()


def test_equal_frames_say_nothing() -> None:
    assert find_overlays([watermark(_real("openttd-small")[0], 0)] * 12) == ()


def test_fewer_frames_than_needed_say_nothing() -> None:
    drawn = [clock(pixels, n) for n, pixels in enumerate(_real("openttd-small", LEAST_FRAMES - 1))]
    assert find_overlays(drawn) == ()
    assert find_overlays([]) == ()


def test_frames_of_several_sizes_are_refused() -> None:
    with pytest.raises(InvalidInput, match="several sizes"):
        find_overlays([np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8)])


@given(st.sets(st.builds(lambda r, c: Cell(row=r, col=c), st.integers(0, 30), st.integers(0, 30))), st.integers(0, 40))
def test_a_sample_is_of_the_cells_and_as_large_as_it_can_be(cells: set[Cell], count: int) -> None:
    sample = sample_of(cells, count)
    assert set(sample) <= cells
    assert len(set(sample)) == len(sample) == min(count, len(cells))
    assert sample == sample_of(sorted(cells, reverse=True), count)


@pytest.mark.parametrize(("rows", "cols"), [(20, 20), (6, 60), (48, 5)])
def test_a_sample_is_spread_over_the_grid(rows: int, cols: int) -> None:
    sample = sample_of(tuple(Grid(rows=rows, cols=cols).cells()), 24)
    for top in range(2):
        for left in range(2):
            quarter = [c for c in sample if 2 * c.row // rows == top and 2 * c.col // cols == left]
            assert 3 <= len(quarter) <= 9
    assert len({cell.row for cell in sample}) > min(rows, 24) // 2
    assert len({cell.col for cell in sample}) > min(cols, 24) // 2


@cache
def _real(name: str, count: int = MOST_FRAMES) -> Sequence[Pixels]:
    survey = lossy_frames.cut(worlds.real(name, "nominal"), seed=count)
    return [survey.pictures[cell] for cell in sample_of(survey.pictures, count)]


@lru_cache(1)
def _drawn(name: str, drawing: str, count: int = MOST_FRAMES) -> tuple[Sequence[Pixels], Rect]:
    """Return frames with a drawing, and the bounds of what it changes."""
    frames = _real(name, count)
    drawn = [DRAWINGS[drawing](pixels, number) for number, pixels in enumerate(frames)]
    changed = [after != before for after, before in zip(drawn, frames, strict=True)]
    rows = np.flatnonzero(np.any([one.any(axis=(1, 2)) for one in changed], axis=0))
    cols = np.flatnonzero(np.any([one.any(axis=0) for one in changed], axis=(0, 2)))
    left, top = int(cols[0]), int(rows[0])
    return drawn, Rect(x_px=left, y_px=top, width_px=int(cols[-1]) + 1 - left, height_px=int(rows[-1]) + 1 - top)


def _assert_encloses(found: Sequence[Rect], drawn: Rect) -> None:
    (rect,) = found
    assert _contains(rect, drawn)
    for edge, wanted in (
        (rect.x_px, drawn.x_px),
        (rect.y_px, drawn.y_px),
        (rect.right_px, drawn.right_px),
        (rect.bottom_px, drawn.bottom_px),
    ):
        assert abs(edge - wanted) <= 12


def _contains(rect: Rect, part: Rect) -> bool:
    return (
        rect.x_px <= part.x_px
        and rect.y_px <= part.y_px
        and rect.right_px >= part.right_px
        and rect.bottom_px >= part.bottom_px
    )
