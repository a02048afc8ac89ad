"""What stands still in the first frames is distinguished from a map that repeats itself."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from game_capture.drivers.city import CityDriver, CityParameters
from game_capture.standing import SQUARE_PX, enclosed, squares_of, standing
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Grid

Picture = NDArray[np.uint8]
ROOT = Path(__file__).parents[2]
VIEW = (512, 384)


def share(frames: Sequence[Picture], masks: Sequence[Rect] = ()) -> float:
    return standing([squares_of(frame, masks) for frame in frames]).share


def land(seed: int = 0) -> list[Picture]:
    """Four views of ground without repetition."""
    rng = np.random.default_rng(seed)
    world = rng.integers(0, 256, (900, 2400, 3)).astype(np.uint8)
    return [world[40 * n : 40 * n + VIEW[1], 400 * n : 400 * n + VIEW[0]].copy() for n in range(4)]


def waves(step_px: int) -> list[Picture]:
    """Four views of one tile of water over and over, a whole number of tiles apart, or not."""
    tile = np.random.default_rng(1).integers(0, 256, (32, 64, 3)).astype(np.uint8)
    sea = np.tile(tile, (20, 60, 1))
    return [sea[: VIEW[1], step_px * n : step_px * n + VIEW[0]].copy() for n in range(4)]


def with_panel(frames: Sequence[Picture], panel: Rect) -> list[Picture]:
    """Draw a panel with some letters over each frame."""
    drawn = np.full((panel.height_px, panel.width_px, 3), 90, np.uint8)
    drawn[::24, ::2] = np.random.default_rng(5).integers(0, 256, drawn[::24, ::2].shape)
    out = [frame.copy() for frame in frames]
    for frame in out:
        frame[panel.y_px : panel.bottom_px, panel.x_px : panel.right_px] = drawn
    return out


def test_nothing_stands_still_in_a_map_that_is_scrolled() -> None:
    assert share(land()) == 0.0


@pytest.mark.parametrize("step_px", [400, 384])
def test_open_water_is_no_menu_wherever_its_waves_fall(step_px: int) -> None:
    assert share(waves(step_px)) == 0.0


@pytest.mark.parametrize("colour", [(255, 255, 255), (214, 180, 110), (0, 0, 0)])
def test_snow_desert_and_darkness_are_no_menu(colour: tuple[int, int, int]) -> None:
    plain = np.full((VIEW[1], VIEW[0], 3), colour, np.uint8)
    assert share([plain] * 4) == 0.0


def test_a_small_display_over_open_water_is_no_menu() -> None:
    assert share(with_panel(waves(384), Rect(x_px=0, y_px=0, width_px=512, height_px=32))) < 0.12


def test_a_camera_that_does_not_move_shows_the_same_all_over() -> None:
    assert share([land()[0]] * 4) > 0.95


def test_cars_and_a_clock_hide_no_standing_camera() -> None:
    frames = [land()[0].copy() for _ in range(4)]
    for number, frame in enumerate(frames):
        frame[100:120, 30 + 90 * number : 70 + 90 * number] = 7
        frame[:16, :64] = number
    assert share(frames) > 0.85


@pytest.mark.parametrize(
    "panel",
    [
        Rect(x_px=0, y_px=288, width_px=512, height_px=96),
        Rect(x_px=352, y_px=0, width_px=160, height_px=384),
        Rect(x_px=100, y_px=60, width_px=250, height_px=190),
    ],
)
def test_a_panel_is_found_with_its_plain_ground(panel: Rect) -> None:
    frames = with_panel(land(), panel)
    area = panel.width_px * panel.height_px / (VIEW[0] * VIEW[1])
    assert 0.7 * area < share(frames) <= 1.01 * area
    assert share(frames, [panel]) == 0.0


def test_a_rectangle_grows_to_the_pixel() -> None:
    panel = Rect(x_px=101, y_px=61, width_px=250, height_px=190)
    frames = with_panel(land(), panel)
    inner = Rect(x_px=112, y_px=64, width_px=224, height_px=176)
    assert enclosed(inner, frames[0], frames[-1]) == panel


def _set(name: str) -> list[Picture]:
    data = ROOT / "tests" / "data" / name
    folder = ROOT / "examples" / name if (ROOT / "examples" / name).is_dir() else data
    with (data / "truth.csv").open() as table:
        files = [row["file"] for row in csv.DictReader(table)]
    return [np.asarray(Image.open(folder / file).convert("RGB")) for file in files]


@pytest.mark.parametrize("name", ["openttd-small", "openttd-keys", "openttd-water", "openttd-running"])
def test_no_four_frames_in_a_row_of_a_real_game_look_like_a_menu(name: str) -> None:
    squares = [squares_of(frame) for frame in _set(name)]
    assert max(standing(squares[n : n + 4]).share for n in range(len(squares) - 3)) < 0.01


@pytest.mark.parametrize("hud", [False, True])
@pytest.mark.parametrize("paused", [False, True])
def test_the_simulated_city_is_no_menu_with_its_display_and_without(hud: bool, paused: bool) -> None:
    driver = CityDriver(CityParameters(view=(640, 512), hud=hud, paused=paused, water=0.5))
    areas = driver.areas(Grid(rows=1, cols=4))
    with driver:
        frames = [driver.grab(area).picture for area in areas]
    shown = share(frames)
    assert shown < 0.12
    assert (shown > 0.0) == hud
    assert share(frames, driver.hud) == 0.0


def test_squares_under_a_mask_are_left_out() -> None:
    squares = squares_of(land()[0], [Rect(x_px=20, y_px=-5, width_px=30, height_px=22)])
    assert squares.shape == (384 // SQUARE_PX, 512 // SQUARE_PX)
    assert np.argwhere(squares == 0).tolist() == [[0, 1], [0, 2], [0, 3], [1, 1], [1, 2], [1, 3]]


def words(ground: int = 40) -> Picture:
    """A plain screen with a line of words: far below any share that a panel has."""
    screen = np.full((VIEW[1], VIEW[0], 3), ground, np.uint8)
    screen[100:112, 100:200] = np.random.default_rng(3).integers(0, 256, (12, 100, 3))
    return screen


def test_words_on_plain_ground_that_never_change_are_all_that_is_shown() -> None:
    found = standing([squares_of(words())] * 4)
    assert found.is_all
    assert found.share < 0.05


def test_plain_ground_alone_or_a_map_that_moves_is_not_all_that_is_shown() -> None:
    plain = np.full((VIEW[1], VIEW[0], 3), 40, np.uint8)
    assert not standing([squares_of(plain)] * 4).is_all
    assert not standing([squares_of(frame) for frame in land()]).is_all
    panel = Rect(x_px=0, y_px=0, width_px=256, height_px=384)
    assert not standing([squares_of(frame) for frame in with_panel(land(), panel)]).is_all
