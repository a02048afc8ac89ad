"""The real game: its pictures against its own screenshot, its savegames, several at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from game_capture.drivers.openttd import OpenttdDriver
from game_capture.openttd.config import configuration
from game_capture.openttd.console import Console
from game_capture.staging import Staging
from imageflow_domain.errors import GameNeverSettled, InvalidInput, PositionUnreachable
from imageflow_domain.geometry import Position, Size
from imageflow_domain.grid import Cell, Grid
from imageflow_domain.ports import Area

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.game_capture.conftest import Games

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

FOUR = Grid(rows=4, cols=4)
HEIGHTS_PX = range(-130, 131)
"""The ground's height moves a picture up, that of the screenshot's own place moves the others down."""

FEW_PX = 64
"""The game's order of sprites differs in a handful of pixels depending on what is drawn."""


def closest(picture: NDArray[np.uint8], region: NDArray[np.uint8], x: int, y: int) -> tuple[int, int]:
    """Return the fewest unequal pixels, and the shift down from (x, y) at which they are found."""
    height, width = picture.shape[:2]
    probe = picture[::16]
    rough = sorted(
        (int((region[y + dy : y + dy + height : 16, x : x + width] != probe).any(axis=-1).sum()), dy)
        for dy in HEIGHTS_PX
    )
    return min(
        (int((region[y + dy : y + dy + height, x : x + width] != picture).any(axis=-1).sum()), dy)
        for _, dy in rough[:4]
    )


def test_every_picture_equals_the_game_s_own_screenshot(games: Games) -> None:
    with games.open("openttd", map_size=256, view=(1024, 768), step=(832, 608)) as driver:
        assert isinstance(driver, OpenttdDriver)
        areas = driver.areas(FOUR)
        assert len(areas) == 16
        pictures, seconds = [], []
        for area in areas:
            began = time.perf_counter()
            pictures.append(driver.grab(area).picture)
            seconds.append(time.perf_counter() - began)
        region, corner = driver.screenshot_region(areas[0], Size(width_px=832 * 3 + 1024, height_px=608 * 3 + 1400))
        assert np.array_equal(driver.grab(areas[0]).picture, pictures[0]), "no trace of the screenshot's message"
    for area, picture in zip(areas, pictures, strict=True):
        assert area.position is not None
        x, y = int(area.position.x_px - corner.x_px), int(area.position.y_px - corner.y_px)
        unequal, _ = closest(picture, region, x, y)
        assert unequal <= FEW_PX, f"{area.cell}: {unequal} px differ"
    print(f"move and settled grab: median {median(seconds):.3f} s, longest {max(seconds):.3f} s")  # noqa: T201  a figure for people
    assert median(seconds) <= 0.3, "three times the figure of a quiet machine"


def test_three_games_at_once_do_not_mix(games: Games) -> None:
    def survey(seed: int) -> list[bytes]:
        with games.open("openttd", seed=seed) as driver:
            return [driver.grab(area).picture.tobytes() for area in driver.areas(Grid(rows=2, cols=2))]

    alone = [survey(seed) for seed in (1, 2, 3)]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(survey, (1, 2, 3)))
    assert together == alone
    assert len({pictures[0] for pictures in alone}) == 3


def test_a_savegame_shows_the_map_that_was_saved(games: Games, tmp_path: Path) -> None:
    grid = Grid(rows=2, cols=2)
    with games.open("openttd") as driver:
        wanted = [driver.grab(area).picture for area in driver.areas(grid)]
    saved = save_game(tmp_path, seed=3)
    with games.open("openttd", seed=None, load=str(saved)) as driver:
        got = [driver.grab(area).picture for area in driver.areas(grid)]
    for before, after in zip(wanted, got, strict=True):
        assert int((before != after).any(axis=-1).sum()) <= FEW_PX


def save_game(folder: Path, *, seed: int) -> Path:
    window = Size(width_px=512, height_px=624)
    home = folder / "saving"
    home.mkdir()
    text = configuration(window, map_side=64, landscape="temperate")
    start = ("-g", "-G", str(seed))
    console = Console(window, configuration=text, arguments=start, home=home, staging=Staging(scratch=folder))
    try:
        console.start(timeout_s=60)
        console.command("save kept")
        written = home / "save" / "kept.sav"
        deadline = time.monotonic() + 10
        size = -1
        while not written.exists() or written.stat().st_size != size:
            assert time.monotonic() < deadline
            size = written.stat().st_size if written.exists() else -1
            time.sleep(0.2)
        return written.rename(folder / "kept.sav")
    finally:
        console.stop()


def test_a_savegame_of_another_program_is_refused_by_the_game_itself(games: Games, tmp_path: Path) -> None:
    saved = save_game(tmp_path, seed=3)
    data = bytearray(saved.read_bytes())
    data[-2000:] = bytes(2000)
    saved.write_bytes(data)
    with pytest.raises(InvalidInput, match="cannot load this savegame"):
        games.open("openttd", seed=None, load=str(saved)).__enter__()
    assert not list(games.scratch.iterdir())


def test_a_running_game_can_be_surveyed_too(games: Games) -> None:
    with games.open("openttd", paused=False) as driver:
        for area in driver.areas(Grid(rows=1, cols=2)):
            assert driver.grab(area).picture.any()


def test_areas_outside_the_map_are_left_out_or_refused(games: Games) -> None:
    driver = games.open("openttd")
    corner = driver.areas(Grid(rows=40, cols=40))
    assert 0 < len(corner) < 1600
    far = Area(cell=Cell(row=0, col=0), position=Position(x_px=1e6, y_px=1e6))
    with driver, pytest.raises(PositionUnreachable):
        driver.grab(far)
    with pytest.raises(InvalidInput, match="centre"):
        games.open("openttd", centre=(4000, 4000)).areas(Grid(rows=1, cols=1))


def test_the_user_s_own_folders_are_left_alone(games: Games, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    with games.open("openttd") as driver:
        driver.grab(driver.areas(Grid(rows=1, cols=1))[0])
    assert not list(home.iterdir())


def test_an_x11_game_that_never_stands_still_is_reported(games: Games) -> None:
    command = cast("tuple[str, ...]", games.spec("x11").parameters["command"])
    # The title screen's trains keep moving, where no game is requested.
    command = command[: command.index("-g")]
    rule = {"timeout_s": 2.0, "equal_grabs": 40}
    driver = games.open("x11", command=command, settle=rule, start_timeout_s=3.0, prepare=[])
    with pytest.raises(GameNeverSettled, match="kept changing"), driver:
        pass


def test_x11_neighbours_overlap_where_they_should(games: Games) -> None:
    with games.open("x11") as driver:
        areas = driver.areas(Grid(rows=2, cols=2))
        first, right, below, _ = (driver.grab(area).picture for area in areas)
    assert areas[3].position == Position(x_px=320.0, y_px=200.0)
    differing = (
        (first[:, 320:] != right[:, :-320]).any(axis=-1).mean(),
        (first[200:] != below[:-200]).any(axis=-1).mean(),
    )
    assert max(differing) < 0.001


def test_x11_scrolls_by_held_keys_to_within_its_reach(games: Games) -> None:
    """Arrow keys move this game in steps of 20 px, and by the time that they are held: dead reckoning is not exact."""
    keys = {"by": "keys", "px_per_press": (200, 200), "hold_ms": 333, "pause_ms": 60}
    with games.open("x11", scroll=keys, step=(400, 200)) as driver:
        first, right = (driver.grab(area).picture for area in driver.areas(Grid(rows=1, cols=2)))
    unequal = {dx: float(np.mean(first[:, dx:] != right[:, :-dx])) for dx in range(336, 465)}
    moved = min(unequal, key=lambda dx: unequal[dx])
    assert unequal[moved] < 0.001
    assert moved % 20 == 0
