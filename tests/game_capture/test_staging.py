"""The machine's settings for games override the survey's: its display, its timeouts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from game_capture.display import PrivateDisplay
from game_capture.staging import Staging
from imageflow_domain.errors import GameDied, GameNeverSettled, InvalidInput, Unavailable
from imageflow_domain.geometry import Size
from imageflow_domain.grid import Grid
from tests.game_capture.own_children import own_children

if TYPE_CHECKING:
    from pathlib import Path

    from tests.game_capture.conftest import Games

GRID = Grid(rows=1, cols=2)
WINDOWS = {"openttd": Size(width_px=512, height_px=624), "x11": Size(width_px=640, height_px=480)}

pytestmark = pytest.mark.timeout(120)

every_process_driver = pytest.mark.parametrize("name", sorted(WINDOWS))


@contextmanager
def display_of_somebody(folder: Path, size: Size, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the name of a display that is there already, and whose cookie this account has."""
    folder.mkdir()
    with PrivateDisplay(size, scratch=folder, timeout_s=20) as display:
        monkeypatch.setenv("XAUTHORITY", display.environment["XAUTHORITY"])
        yield display.name


def servers() -> int:
    return sum(process.name() == "Xvfb" for process in own_children())


@every_process_driver
def test_a_given_display_shows_what_a_private_one_does(
    name: str, games: Games, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with games.open(name) as driver:
        private = [driver.grab(area).picture.tobytes() for area in driver.areas(GRID)]
    with display_of_somebody(tmp_path / "somebody", WINDOWS[name], monkeypatch) as display:
        staging = Staging(scratch=games.scratch, display=display)
        with games.open(name, staging=staging) as driver:
            assert servers() == 1
            assert [driver.grab(area).picture.tobytes() for area in driver.areas(GRID)] == private
        assert servers() == 1, "it goes on without the game"


def test_one_game_at_a_time_has_a_given_display(games: Games, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with display_of_somebody(tmp_path / "somebody", WINDOWS["openttd"], monkeypatch) as display:
        staging = Staging(scratch=games.scratch, display=display)
        with games.open("openttd", staging=staging):
            also = Staging(scratch=games.scratch, display=f"{display}.0")
            with pytest.raises(Unavailable, match=r"Another game has the display .*IMAGEFLOW_CAPTURE_POOL=1"):
                games.open("openttd", staging=also).__enter__()
        with games.open("openttd", staging=also) as driver:
            driver.grab(driver.areas(GRID)[0])


@every_process_driver
def test_the_end_of_a_given_display_ends_the_game_on_it(
    name: str, games: Games, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with display_of_somebody(tmp_path / "somebody", WINDOWS[name], monkeypatch) as display:
        staging = Staging(scratch=games.scratch, display=display, display_timeout_s=0.2)
        with games.open(name, staging=staging) as driver:
            areas = driver.areas(GRID)
            driver.grab(areas[0])
            next(process for process in own_children() if process.name() == "Xvfb").kill()
            with pytest.raises(GameDied):
                driver.grab(areas[1])
        with pytest.raises(Unavailable, match="did not answer"):
            driver.__enter__()
    assert not own_children()


def test_a_given_display_of_another_size_is_refused_with_the_size_that_is_needed(
    games: Games, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    larger = Size(width_px=800, height_px=700)
    with display_of_somebody(tmp_path / "somebody", larger, monkeypatch) as display:
        driver = games.open("openttd", staging=Staging(scratch=games.scratch, display=display))
        for _ in range(2):  # the refusal lets go of the display
            with pytest.raises(InvalidInput, match="has 800x700 px, and the game needs exactly 512x624 px"):
                driver.__enter__()


def test_a_given_display_that_is_not_there_is_waited_for_as_long_as_asked(games: Games) -> None:
    staging = Staging(scratch=games.scratch, display=":59999", display_timeout_s=0.2)
    with pytest.raises(Unavailable, match=r"':59999' did not answer within 0\.2 s: start it"):
        games.open("openttd", staging=staging).__enter__()
    assert not [path for path in games.scratch.iterdir() if path.is_dir()]


def test_a_private_display_has_as_long_to_start_as_asked(games: Games) -> None:
    staging = Staging(scratch=games.scratch, display_timeout_s=0.0001)
    with pytest.raises(GameDied, match=r"within 0\.0001 s.*IMAGEFLOW_GAME_DISPLAY_TIMEOUT_S"):
        games.open("openttd", staging=staging).__enter__()
    assert not own_children()


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("openttd", {}, r"did not show its map within 0\.1 s"),
        ("x11", {"command": ("sleep", "60"), "start_wait_s": 0}, r"stayed empty for 0\.1 s"),
    ],
)
def test_a_game_has_as_long_to_start_as_the_machine_says(
    name: str, changes: dict[str, Any], said: str, games: Games
) -> None:
    staging = Staging(scratch=games.scratch, start_timeout_s=0.1)
    with pytest.raises(GameNeverSettled, match=said):
        games.open(name, staging=staging, **changes).__enter__()


def test_a_console_has_as_long_to_answer_as_the_machine_says(games: Games) -> None:
    staging = Staging(scratch=games.scratch, answer_timeout_s=0.0001)
    with pytest.raises(GameNeverSettled, match=r"within 0\.0001 s"):
        games.open("openttd", staging=staging).__enter__()


@pytest.mark.parametrize(
    ("name", "changes"),
    [("openttd", {}), ("x11", {"settle": {"equal_grabs": 20, "interval_s": 0.05, "on_timeout": "fail"}})],
)
def test_one_grab_waits_as_long_as_the_machine_says(name: str, changes: dict[str, Any], games: Games) -> None:
    staging = Staging(scratch=games.scratch, settle_timeout_s=0.0001)
    with (
        games.open(name, staging=staging, **changes) as driver,
        pytest.raises(GameNeverSettled, match=r"kept changing for 0\.0001 s"),
    ):
        driver.grab(driver.areas(GRID)[0])


@pytest.mark.parametrize("display", ["", "1", "elsewhere:0", ":1/../x", ":1\n", ":0.0.0"])
def test_a_display_of_this_machine_looks_like_one(display: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="looks like :1"):
        Staging(scratch=tmp_path, display=display)


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, float("inf"), float("nan")])
@pytest.mark.parametrize("name", ["display_timeout_s", "start_timeout_s", "answer_timeout_s", "settle_timeout_s"])
def test_a_timeout_is_a_time(name: str, timeout_s: float, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="more than 0 s, and finite"):
        Staging(scratch=tmp_path, **{name: timeout_s})
