"""Composition against a slow oracle that states the rule pixel by pixel, and against the game's own picture."""

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Rect
from imageflow_mosaic.codec import decode_picture
from imageflow_mosaic.compose import PlacedShot, compose
from tests.mosaic.worlds import region
from tests.thorough import repeated

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
EXAMPLE = Path(__file__).parents[2] / "examples" / "openttd-small"
REFERENCE = Path(__file__).parents[1] / "data" / "openttd-small"


def rect(x_px: int, y_px: int, width_px: int, height_px: int) -> Rect:
    return Rect(x_px=x_px, y_px=y_px, width_px=width_px, height_px=height_px)


def plain(x_px: int, y_px: int, width_px: int, height_px: int, colour: tuple[int, int, int]) -> PlacedShot:
    return PlacedShot(x_px=x_px, y_px=y_px, pixels=np.full((height_px, width_px, 3), colour, np.uint8))


def oracle(shots: Sequence[PlacedShot], x: int, y: int, masks: Sequence[Rect]) -> tuple[int, int, int, int]:
    """Decide one pixel of the frame, word for word as `compose` documents it; the shots lie at different places."""
    ballots = []
    for shot in shots:
        height, width = shot.pixels.shape[:2]
        u, v = x - shot.x_px, y - shot.y_px
        masked = any(m.x_px <= u < m.right_px and m.y_px <= v < m.bottom_px for m in masks)
        if 0 <= u < width and 0 <= v < height and not masked:
            depth = min(u, v, width - 1 - u, height - 1 - v)
            ballots.append((tuple(map(int, shot.pixels[v, u])), (-depth, shot.y_px, shot.x_px)))
    if not ballots:
        return (0, 0, 0, 0)
    votes = Counter(colour for colour, _ in ballots)
    red, green, blue = min(ballots, key=lambda ballot: (-votes[ballot[0]], ballot[1]))[0]
    return (red, green, blue, 255)


@st.composite
def shot_sets(draw: st.DrawFn) -> list[PlacedShot]:
    places = draw(st.lists(st.tuples(st.integers(-6, 14), st.integers(-6, 14)), min_size=1, max_size=7, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    width, height = draw(st.integers(1, 14)), draw(st.integers(1, 14))
    return [
        PlacedShot(x_px=x, y_px=y, pixels=rng.integers(0, 2, (height, width, 3), dtype=np.uint8)) for x, y in places
    ]


mask_sets = st.lists(
    st.builds(rect, st.integers(-2, 10), st.integers(-2, 10), st.integers(1, 6), st.integers(1, 6)), max_size=2
)


@given(shot_sets(), mask_sets)
@settings(max_examples=repeated(50, thorough=150), deadline=None)
def test_every_pixel_is_decided_as_the_rule_says(shots: list[PlacedShot], masks: list[Rect]) -> None:
    canvas = compose(shots, rect(-4, -3, 22, 20), masks)
    expected = [[oracle(shots, x, y, masks) for x in range(-4, 18)] for y in range(-3, 17)]
    np.testing.assert_array_equal(canvas.rgba, np.array(expected, np.uint8))
    assert canvas.full == bool(canvas.covered.all())


@given(shot_sets(), mask_sets, st.data())
@settings(max_examples=repeated(30, thorough=60), deadline=None)
def test_the_order_of_the_shots_changes_nothing(
    shots: list[PlacedShot], masks: list[Rect], data: st.DataObject
) -> None:
    whole = rect(-6, -6, 34, 34)
    shuffled = data.draw(st.permutations(shots))
    np.testing.assert_array_equal(compose(shuffled, whole, masks).rgba, compose(shots, whole, masks).rgba)


@given(shot_sets(), st.integers(-6, 20), st.integers(-6, 20), st.integers(1, 8), st.integers(1, 8))
@settings(max_examples=repeated(30, thorough=60), deadline=None)
def test_any_rectangle_equals_the_crop_of_a_larger_one(
    shots: list[PlacedShot], x: int, y: int, width: int, height: int
) -> None:
    whole = compose(shots, rect(-6, -6, 34, 34)).rgba
    part = compose(shots, rect(x, y, width, height)).rgba
    np.testing.assert_array_equal(part, whole[y + 6 : y + 6 + height, x + 6 : x + 6 + width])


def test_a_rectangle_higher_than_one_band_of_the_vote_is_settled_everywhere() -> None:
    rng = np.random.default_rng(5)
    shots = [
        PlacedShot(x_px=x, y_px=y, pixels=rng.integers(0, 2, (500, 40, 3), dtype=np.uint8))
        for x, y in ((0, 0), (9, 90), (20, 31))
    ]
    canvas = compose(shots, rect(0, 0, 60, 600))
    for y in range(0, 600, 7):
        for x in range(0, 60, 7):
            assert tuple(map(int, canvas.rgba[y, x])) == oracle(shots, x, y, ())


def test_shots_at_the_same_place_count_each_and_in_no_order() -> None:
    shots = [plain(0, 0, 4, 4, colour) for colour in (RED, GREEN, GREEN)]
    assert (compose(shots, rect(0, 0, 4, 4)).rgb == GREEN).all()
    first, second = compose(shots[:2], rect(0, 0, 4, 4)), compose(shots[1::-1], rect(0, 0, 4, 4))
    np.testing.assert_array_equal(first.rgba, second.rgba)


def test_a_passing_sprite_vanishes_where_two_other_shots_show_the_ground() -> None:
    shots = [plain(0, 0, 20, 20, GREEN), plain(1, 0, 20, 20, RED), plain(2, 0, 20, 20, GREEN)]
    canvas = compose(shots, rect(2, 0, 18, 20))
    assert (canvas.rgb == GREEN).all()
    assert canvas.full


def test_a_tie_goes_to_the_shot_that_shows_the_pixel_deepest_inside() -> None:
    canvas = compose([plain(0, 0, 20, 20, RED), plain(10, 0, 20, 20, BLUE)], rect(0, 10, 30, 1))
    assert (canvas.rgb[0, :15] == RED).all()
    assert (canvas.rgb[0, 15:] == BLUE).all()


def test_what_only_a_mask_covers_stays_uncovered() -> None:
    canvas = compose([plain(0, 0, 10, 10, RED), plain(5, 0, 10, 10, BLUE)], rect(0, 0, 15, 10), [rect(0, 0, 10, 2)])
    assert not canvas.covered[:2].any()
    assert canvas.covered[2:].all()
    assert not canvas.full


def test_what_one_shot_hides_another_shows() -> None:
    canvas = compose([plain(0, 0, 10, 10, RED), plain(0, 5, 10, 10, BLUE)], rect(0, 0, 10, 15), [rect(0, 0, 10, 3)])
    assert (canvas.rgb[5:8] == RED).all()
    assert canvas.covered[3:].all()


def test_nothing_placed_is_an_empty_canvas() -> None:
    canvas = compose([], rect(100, 100, 8, 4))
    assert canvas.rgba.shape == (4, 8, 4)
    assert not canvas.covered.any()


def test_a_shot_of_grey_pixels_is_refused() -> None:
    with pytest.raises(InvalidInput, match="Pixels of shape"):
        PlacedShot(x_px=0, y_px=0, pixels=np.zeros((4, 4), np.uint8))


def test_real_frames_at_their_true_places_give_the_games_own_picture() -> None:
    with (REFERENCE / "truth.csv").open() as table:
        shots = [
            PlacedShot(
                x_px=int(row["true_x"]),
                y_px=int(row["true_y"]),
                pixels=decode_picture((EXAMPLE / row["file"]).read_bytes()),
            )
            for row in csv.DictReader(table)
        ]
    truth = region("openttd-small")
    canvas = compose(shots, rect(0, 0, truth.shape[1], truth.shape[0]))
    wrong = (canvas.rgb != truth).any(axis=2) & canvas.covered
    assert wrong.sum() <= 0.00002 * canvas.covered.sum()
