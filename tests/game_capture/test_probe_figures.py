"""What a probe makes of moves and pictures whose truth is known."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from game_capture.probe.borders import translucent_panels, within_borders
from game_capture.probe.moves import boxes
from game_capture.probe.parts import Pair, Part, changed_squares, crop_of, evidence_of, looks_of, panels_of, parts_of
from game_capture.probe.scale import Trial, scale_of
from game_capture.probe.settling import Settling, settling_of, waiting_for
from game_capture.probe.sight import Sight
from imageflow_domain.geometry import Offset, Rect
from imageflow_mosaic.movement import FrameComparer

VIEW = (640, 480)
TOOLBAR, MINIMAP = 38, Rect(x_px=480, y_px=360, width_px=160, height_px=120)
FRAMED, BUTTON = Rect(x_px=0, y_px=44, width_px=461, height_px=436), Rect(x_px=448, y_px=465, width_px=10, height_px=11)
CHAT = Rect(x_px=96, y_px=208, width_px=112, height_px=80)


@pytest.fixture(scope="module")
def world() -> NDArray[np.uint8]:
    """Squares of 4 px in many colours, with a plain sea."""
    squares = np.random.default_rng(3).integers(0, 255, (500, 500, 3), np.uint8)
    pixels = squares.repeat(4, axis=0).repeat(4, axis=1)
    pixels[700:1100, 500:1000] = (20, 60, 140)
    return pixels


def _shown(world: NDArray[np.uint8], x: int, y: int, *, chat: bool = False) -> NDArray[np.uint8]:
    """A window with a toolbar above, and a minimap in a corner that changes with the camera's place."""
    width, height = VIEW
    picture = world[y : y + height, x : x + width].copy()
    buttons = np.random.default_rng(1).integers(0, 255, (TOOLBAR, width // 8, 3), np.uint8)
    picture[:TOOLBAR] = buttons.repeat(8, axis=1)
    here = np.random.default_rng(x * 5000 + y).integers(0, 255, (MINIMAP.height_px, MINIMAP.width_px, 3), np.uint8)
    picture[MINIMAP.y_px :, MINIMAP.x_px :] = here
    if chat:
        words = np.random.default_rng(2).integers(0, 255, (CHAT.height_px, CHAT.width_px, 3), np.uint8)
        picture[CHAT.y_px : CHAT.bottom_px, CHAT.x_px : CHAT.right_px] = words
    return picture


def _pairs(world: NDArray[np.uint8], *, chat: bool = False) -> list[Pair]:
    pairs = []
    for dx, dy in ((64, 0), (-64, 0), (0, 48), (0, -48), (192, 0), (0, 96)):
        before, after = _shown(world, 300, 250, chat=chat), _shown(world, 300 + dx, 250 + dy, chat=chat)
        pairs.append(Pair(before=before, after=after, offset=Offset(dx_px=dx, dy_px=dy)))
    return pairs


def test_the_scale_of_steady_moves_is_exact() -> None:
    scale = scale_of([Trial(units=n, along_px=64.0 * n) for n in (1, -1, 2, -2, 5, -5)], may_lose=True)
    assert scale is not None
    assert (scale.unit_px, scale.variation_px, scale.lost, scale.sent, scale.moves) == (64.0, 0.0, 0, 16, 6)
    assert scale.is_steady


def test_lost_presses_are_counted_and_do_not_change_the_scale() -> None:
    effects = {5: 4, -5: -5, 3: 2, -3: -3, 2: 2, -2: -2, 1: 0, -1: -1}
    scale = scale_of([Trial(units=n, along_px=504.0 * k) for n, k in effects.items()], may_lose=True)
    assert scale is not None
    assert (scale.unit_px, scale.lost, scale.sent) == (504.0, 3, 22)
    assert scale.is_steady


def test_a_camera_that_goes_the_other_way_has_a_scale_below_0() -> None:
    scale = scale_of([Trial(units=n, along_px=-40.0 * n) for n in (1, -1, 3, -3)], may_lose=True)
    assert scale is not None
    assert scale.unit_px == -40.0


def test_pixels_of_a_pointer_have_a_factor_to_a_thousandth() -> None:
    trials = [Trial(units=n, along_px=round(-0.62 * n)) for n in (60, -60, 120, -120, 400, -400)]
    scale = scale_of(trials, may_lose=False)
    assert scale is not None
    assert scale.unit_px == pytest.approx(-0.62, abs=0.001)
    assert scale.variation_px < 1
    assert scale.lost == 0


def test_a_drag_that_loses_its_begin_has_its_factor_all_the_same() -> None:
    trials = [Trial(units=n, along_px=n - 4 * (1 if n > 0 else -1)) for n in (40, -40, 80, -80, 200, -200)]
    scale = scale_of(trials, may_lose=False)
    assert scale is not None
    assert scale.unit_px == pytest.approx(1)
    assert scale.slip_px == pytest.approx(4)
    assert scale.is_steady


@pytest.mark.parametrize(
    "trials",
    [
        [Trial(units=n, along_px=px) for n, px in ((1, 210.0), (-1, -160.0), (2, 395.0), (-2, -300.0))],
        [Trial(units=n, along_px=64.0 * n, across_px=32.0) for n in (1, -1, 2, -2)],
        [Trial(units=n, along_px=px) for n, px in ((1, 14.0), (-1, -6.0), (4, 21.0), (-4, -33.0))],
    ],
    ids=["uneven", "aslant", "as long as a key is down"],
)
def test_moves_that_are_uneven_or_aslant_are_not_steady(trials: list[Trial]) -> None:
    scale = scale_of(trials, may_lose=True)
    assert scale is not None
    assert not scale.is_steady


def test_units_that_go_unequally_far_have_their_mean_and_none_counts_as_lost() -> None:
    moves = ((1, 96.0), (-1, -192.0), (2, 192.0), (-2, -192.0), (3, 288.0), (-3, -192.0), (1, 64.0), (-1, -96.0))
    scale = scale_of([Trial(units=units, along_px=px) for units, px in moves], may_lose=True)
    assert scale is not None
    assert scale.unit_px == pytest.approx(89, abs=1)
    assert (scale.lost, scale.is_steady) == (0, False)


def test_too_few_moves_have_no_scale() -> None:
    nothing = [Trial(units=1, along_px=0.0), Trial(units=4, along_px=None), Trial(units=2, along_px=80.0)]
    assert scale_of(nothing, may_lose=True) is None


def test_the_rule_waits_longer_than_the_longest_pause_between_changes() -> None:
    seen = settling_of([(0.0, False), (0.05, True), (0.1, True), (0.15, False), (0.3, True), (0.5, False)])
    assert seen == Settling(first_s=0.05, last_s=0.3, pause_s=pytest.approx(0.2))
    rule = waiting_for([seen, settling_of([(0.1, False)])], is_restless=False)
    assert (rule.equal_grabs - 1) * rule.interval_s >= 0.3
    assert rule.move_wait_s == 0.1


def test_a_map_that_never_stands_still_is_given_time_alone() -> None:
    rule = waiting_for([Settling(first_s=0.1, last_s=0.6, pause_s=0.1)], is_restless=True)
    assert (rule.equal_grabs, rule.move_wait_s) == (1, 0.9)


def test_the_crop_leaves_out_a_toolbar_and_a_minimap_in_its_corner_is_a_mask_to_the_pixel(
    world: NDArray[np.uint8],
) -> None:
    pairs = _pairs(world)
    evidence = evidence_of(pairs)
    calm = changed_squares([pairs[0].before, pairs[0].before])
    parts = parts_of(evidence, calm, len(pairs))
    assert parts[0, 5] == Part.STANDING
    assert parts[25, 35] == Part.OTHER
    crop = crop_of(evidence, parts)
    assert crop == Rect(x_px=0, y_px=TOOLBAR, width_px=640, height_px=480 - TOOLBAR)
    assert panels_of(evidence, parts, crop) == (MINIMAP.shifted(Offset(dx_px=0, dy_px=-TOOLBAR)),)


def test_a_panel_inside_the_map_is_a_mask_and_the_sea_is_map(world: NDArray[np.uint8]) -> None:
    pairs = _pairs(world, chat=True)
    evidence = evidence_of(pairs)
    parts = parts_of(evidence, changed_squares([pairs[0].before] * 2), len(pairs))
    crop = crop_of(evidence, parts)
    assert crop is not None
    masks = panels_of(evidence, parts, crop)
    assert [mask.shifted(Offset(dx_px=crop.x_px, dy_px=crop.y_px)) for mask in masks] == [CHAT, MINIMAP]


def _framed(world: NDArray[np.uint8], x: int, y: int) -> NDArray[np.uint8]:
    """A map between a toolbar and a side panel, both of which end within a square, with a small button over it."""
    picture = _shown(world, x, y)
    noise = np.random.default_rng(4).integers(0, 255, (VIEW[1], VIEW[0], 3), np.uint8)
    for rows, columns in ((slice(None), slice(FRAMED.right_px, None)), (slice(FRAMED.y_px), slice(None))):
        picture[rows, columns] = noise[rows, columns]
    picture[BUTTON.y_px : BUTTON.bottom_px, BUTTON.x_px : BUTTON.right_px] = noise[
        BUTTON.y_px : BUTTON.bottom_px, BUTTON.x_px : BUTTON.right_px
    ]
    return picture


def test_a_button_smaller_than_a_square_is_a_mask_and_the_maps_own_border_beside_panels_is_none(
    world: NDArray[np.uint8],
) -> None:
    pairs = [
        Pair(
            before=_framed(world, 1100, 60), after=_framed(world, 1100 + dx, 60 + dy), offset=Offset(dx_px=dx, dy_px=dy)
        )
        for dx, dy in ((64, 0), (-64, 0), (0, 48), (0, -48), (192, 0), (0, 96))
    ]
    evidence = evidence_of(pairs)
    parts = parts_of(evidence, changed_squares([pairs[0].before] * 2), len(pairs))
    crop = crop_of(evidence, parts)
    assert crop == FRAMED
    masks = panels_of(evidence, parts, crop)
    assert masks == (BUTTON.shifted(Offset(dx_px=-crop.x_px, dy_px=-crop.y_px)),)


def test_squares_that_change_at_rest_are_found(world: NDArray[np.uint8]) -> None:
    pairs = _pairs(world)
    first = pairs[0].before
    flickering = first.copy()
    flickering[200:232, 400:448] += 1
    changing = changed_squares([first, flickering])
    assert np.argwhere(changing).tolist() == [[row, col] for row in (12, 13, 14) for col in (25, 26, 27)]


def test_a_camera_is_seen_to_move_among_panels_and_to_rest(world: NDArray[np.uint8]) -> None:
    window = Rect(x_px=0, y_px=0, width_px=VIEW[0], height_px=VIEW[1])
    sight = Sight(FrameComparer, window)
    before = _shown(world, 300, 250)
    assert sight.moved(before, before) == Offset(dx_px=0, dy_px=0)
    box = Rect(x_px=0, y_px=0, width_px=480, height_px=360)
    moved = Sight(FrameComparer, box).moved(before, _shown(world, 428, 250))
    assert moved == Offset(dx_px=128, dy_px=0)


def test_a_texture_that_repeats_tells_nothing() -> None:
    tile = np.random.default_rng(4).integers(0, 255, (32, 32, 3), np.uint8)
    wide = np.tile(tile, (30, 30, 1))
    window = Rect(x_px=0, y_px=0, width_px=VIEW[0], height_px=VIEW[1])
    before, after = wide[:480, :640].copy(), wide[8:488, 16:656].copy()
    assert Sight(FrameComparer, window).moved(before, after) is None


def test_a_menu_that_opens_is_no_movement(world: NDArray[np.uint8]) -> None:
    window = Rect(x_px=0, y_px=0, width_px=VIEW[0], height_px=VIEW[1])
    before, after = _shown(world, 300, 250), _shown(world, 300, 250)
    after[100:380, 120:520] = 200
    assert Sight(FrameComparer, window).moved(before, after) is None


def test_a_picture_that_changes_all_over_by_itself_does_not_look_like_a_camera_at_rest(
    world: NDArray[np.uint8],
) -> None:
    box = Rect(x_px=0, y_px=48, width_px=480, height_px=304)
    restless = np.ones((VIEW[1] // 16, VIEW[0] // 16), np.bool_)
    sight = Sight(FrameComparer, box, restless=restless)
    assert sight.moved(_shown(world, 300, 250), _shown(world, 300, 298)) == Offset(dx_px=0, dy_px=48)
    few = np.zeros_like(restless)
    few[10:12, 10:12] = True
    before = _shown(world, 300, 250)
    blinking = before.copy()
    blinking[160:192, 160:192] = 255
    assert Sight(FrameComparer, box, restless=few).moved(before, blinking) == Offset(dx_px=0, dy_px=0)


def test_some_part_of_a_window_sees_a_move_past_a_side_panel_that_changes(world: NDArray[np.uint8]) -> None:
    before, after = _shown(world, 300, 250), _shown(world, 300, 450)
    for number, picture in enumerate((before, after)):
        picture[:, :140] = np.random.default_rng(number).integers(0, 255, (480, 140, 3), np.uint8)
    seen = [Sight(FrameComparer, box).moved(before, after) for box in boxes(before)]
    assert Offset(dx_px=0, dy_px=200) in seen
    assert set(seen) <= {None, Offset(dx_px=0, dy_px=200)}


def test_a_strip_of_moving_pixels_is_no_map(world: NDArray[np.uint8]) -> None:
    pairs = []
    for dx in (64, -64):
        before, after = np.full((480, 640, 3), 90, np.uint8), np.full((480, 640, 3), 90, np.uint8)
        before[16:32], after[16:32] = world[0:16, 300:940], world[0:16, 300 + dx : 940 + dx]
        pairs.append(Pair(before=before, after=after, offset=Offset(dx_px=dx, dy_px=0)))
    evidence = evidence_of(pairs)
    parts = parts_of(evidence, changed_squares([pairs[0].before] * 2), len(pairs))
    parts[:1], parts[2:] = Part.OTHER, Part.OTHER
    assert crop_of(evidence, parts) is None


def _moves_of(shown: Callable[[int, int], NDArray[np.uint8]]) -> list[Pair]:
    moves = ((64, 0), (-64, 0), (0, 48), (0, -48), (192, 0), (0, 96))
    return [
        Pair(before=shown(300, 250), after=shown(300 + dx, 250 + dy), offset=Offset(dx_px=dx, dy_px=dy))
        for dx, dy in moves
    ]


def _crop_of(pairs: list[Pair]) -> Rect:
    crop = crop_of(evidence_of(pairs), parts_of(evidence_of(pairs), changed_squares([pairs[0].before] * 2), len(pairs)))
    assert crop is not None
    return crop


def test_the_crop_ends_where_translucent_panels_begin_though_the_map_moves_below_them(world: NDArray[np.uint8]) -> None:
    def shown(x: int, y: int) -> NDArray[np.uint8]:
        picture = world[y : y + VIEW[1], x : x + VIEW[0]].copy()
        picture[:18] //= 4
        picture[:, 500:] = picture[:, 500:] // 2 + 20
        return picture

    pairs = _moves_of(shown)
    crop = _crop_of(pairs)
    assert crop.right_px > 600
    assert within_borders(crop, looks_of(pairs)) == Rect(x_px=0, y_px=18, width_px=500, height_px=VIEW[1] - 18)


def test_translucent_panels_in_corners_and_along_sides_are_masks(world: NDArray[np.uint8]) -> None:
    def shown(x: int, y: int) -> NDArray[np.uint8]:
        picture = world[y : y + VIEW[1], x : x + VIEW[0]].copy()
        picture[360:, 480:] //= 3
        picture[:100, :70] //= 2
        return picture

    whole = Rect(x_px=0, y_px=0, width_px=VIEW[0], height_px=VIEW[1])
    corners = (Rect(x_px=0, y_px=0, width_px=70, height_px=100), Rect(x_px=480, y_px=360, width_px=160, height_px=120))
    assert translucent_panels(whole, looks_of(_moves_of(shown))) == corners

    def barred(x: int, y: int) -> NDArray[np.uint8]:
        picture = world[y : y + VIEW[1], x : x + VIEW[0]].copy()
        picture[:18] //= 4
        return picture

    bar = Rect(x_px=0, y_px=0, width_px=VIEW[0], height_px=18)
    assert translucent_panels(whole, looks_of(_moves_of(barred))) == (bar,)


def test_waves_on_one_side_of_a_map_are_no_border(world: NDArray[np.uint8]) -> None:
    frames = iter(range(100))

    def shown(x: int, y: int) -> NDArray[np.uint8]:
        picture = world[y : y + VIEW[1], x : x + VIEW[0]].copy()
        coast = 900 - x  # the sea begins at this column of the world
        waves = np.random.default_rng(next(frames)).integers(0, 255, picture[:, coast:].shape, np.uint8)
        picture[:, coast:] = waves
        return picture

    pairs = _moves_of(shown)
    whole = Rect(x_px=0, y_px=0, width_px=VIEW[0], height_px=VIEW[1])
    assert within_borders(whole, looks_of(pairs)) == whole
    assert translucent_panels(whole, looks_of(pairs)) == ()
