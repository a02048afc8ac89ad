"""`imageflow survey run` of a real window where something goes wrong: message, documented exit code, saved image."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from pydantic import SecretStr

from tests.cli.here import Here, command_line
from tests.game_capture import board
from tests.game_capture.conftest import need

WORLD = board.world()
CROP = {"x_px": 40, "y_px": 50, "width_px": 240, "height_px": 140}
BESIDE = [45, 55]
"""A place of the display where no button is."""
BUTTON = [40 + board.MENU_BUTTON[0], 50 + board.MENU_BUTTON[1]]
STILL = {"equal_grabs": 2, "interval_s": 0.25, "timeout_s": 1}
"""The light changes between two grabs on a busy machine, too."""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory, databases: Callable[[], SecretStr]) -> Iterator[Here]:
    need("Xvfb", "xdotool")
    with command_line(tmp_path_factory.mktemp("wrong") / "home", databases()) as made:
        yield made


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which commands are given; what may pass by itself is not tried again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMAGEFLOW_RETRY_WAITS", "")
    return tmp_path


def _write(here: Path, *words: str, **changes: Any) -> None:
    parameters = {
        "command": [sys.executable, board.__file__, "{width}", "{height}", "40", "50", *words],
        "window": [400, 260],
        "window_at": [40, 50],
        "display": [480, 360],
        "crop": CROP,
        "scroll": {"by": "keys", "px_per_press": [40, 40], "pause_ms": 10},
        "step": [160, 80],
        "start_wait_s": 0.3,
        "move_wait_s": 0.15,
        "settle": {"equal_grabs": 3, "interval_s": 0.03},
        **changes,
    }
    (here / "game.yaml").write_text(yaml.safe_dump(parameters))


def _run(cli: Here, save: str, *more: str, grid: str = "3x3", expect: int = 0) -> str:
    command = ("survey", "run", "--driver", "x11", "--config", "game.yaml", "--game", "g", "--save", save)
    return cli.run(*command, "--grid", grid, "--lossless-method", "0", *more, expect=expect).stderr


def _picture(here: Path, save: str, told: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return the picture that a message names: of the object store, and in the current folder."""
    path = here / f"g-{save}-0001-no-map.png"
    assert f"The picture is kept as 'surveys/g-{save}-0001/no_map.png'." in told
    assert f"Open '{path}' to see it." in told
    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB"))


def _state(cli: Here, save: str) -> tuple[str, str | None]:
    facts = cli.json("survey", "show", f"g-{save}-0001")
    return facts["state"], facts["revision"]


def test_a_menu_left_open_is_named_and_the_corrected_game_is_surveyed_whole(cli: Here, here: Path) -> None:
    _write(here, "menu")
    told = _run(cli, "menu", expect=5)
    assert "The camera stood still when it was sent right, 4 times in a row: see by `prepare`" in told
    picture = _picture(here, "menu", told)
    assert picture.shape == (140, 240, 3)
    assert not np.array_equal(picture, WORLD[:140, :240])
    assert _state(cli, "menu") == ("failed", None)
    _write(here, "menu", prepare=[{"at": BUTTON}])
    done = cli.run("survey", "resume", "g-menu-0001").stderr
    assert "9 of 9 screenshots are anchored" in done


def test_a_missed_click_in_prepare_is_named_with_the_step_and_the_whole_display(cli: Here, here: Path) -> None:
    wait = {"wait_until": {"changed": True, "timeout_s": 0.5}}
    _write(here, "menu", prepare=[{"at": BESIDE}, wait])
    told = _run(cli, "missed", expect=5)
    assert "prepare.1: the picture did not change within 0.5 s: see that the action before it does something" in told
    assert _picture(here, "missed", told).shape == (360, 480, 3)


@pytest.mark.parametrize("prepare", [[], [{"key": "p"}, {"wait_until": {"changed": True, "timeout_s": 0.5}}]])
def test_a_window_too_small_is_named_first_whatever_else_fails_by_it(
    cli: Here, here: Path, prepare: list[dict[str, Any]]
) -> None:
    save = f"small{len(prepare)}"
    _write(here, command=[sys.executable, board.__file__, "320", "200", "40", "50"], prepare=prepare)
    told = _run(cli, save, expect=5)
    assert "The game's window has 320x200 px, and `window` says 400x260 px: ask the game for that size" in told
    picture = _picture(here, save, told)
    assert picture.shape == (360, 480, 3)
    assert picture[50:250, 40:360].any()
    assert not picture[250:].any()


def test_a_static_panel_is_named_with_its_mask_which_then_helps(cli: Here, here: Path) -> None:
    _write(here, "panel", step=[80, 80])
    told = _run(cli, "panel", expect=5)
    mask = re.search(r"a panel lies over the map\. Cut it off with `crop`, cover it with --mask (\S+),", told)
    assert mask is not None
    assert mask[1] == f"0,0,{board.PANEL},140"
    assert _picture(here, "panel", told).shape == (140, 240, 3)
    assert "4 of 4 screenshots are anchored" in _run(cli, "panel2", "--mask", mask[1], grid="2x2")


def test_a_dialog_that_pops_up_in_the_middle_stops_the_survey_at_the_second_area(cli: Here, here: Path) -> None:
    _write(here, "popup=14")
    told = _run(cli, "popup", expect=5)
    assert "The camera does not move any more, neither forward nor back, at 2 areas in a row: a dialog may have" in told
    assert _picture(here, "popup", told).shape == (140, 240, 3)
    assert cli.json("survey", "show", "g-popup-0001").get("holes") is None, "areas behind the dialog are taken anew"


def test_a_game_that_dies_again_and_again_ends_with_its_last_words_and_what_it_showed(cli: Here, here: Path) -> None:
    _write(here, "dies=5")
    told = _run(cli, "dies", expect=5)
    assert "The game ended (out of luck): start it again." in told
    assert _picture(here, "dies", told).any()
    assert _state(cli, "dies") == ("failed", None)


def test_a_game_that_dies_at_start_ends_with_its_last_words_and_what_it_showed(cli: Here, here: Path) -> None:
    _write(here, "dies=1", prepare=[{"wait_until": {"still": True}}, {"key": "p"}, {"wait_until": {"still": True}}])
    told = _run(cli, "start", expect=5)
    assert "The game ended (out of luck): start it again." in told
    picture = _picture(here, "start", told)
    assert picture.shape == (360, 480, 3), "the display: nothing was captured yet"
    assert picture.any()
    assert _state(cli, "start") == ("failed", None)


def test_a_game_that_dies_once_in_the_middle_spoils_nothing(cli: Here, here: Path) -> None:
    _write(here, "dies=9", f"once={here / 'died'}")
    assert "9 of 9 screenshots are anchored" in _run(cli, "once")
    assert (here / "died").exists()


def test_one_area_that_never_stands_still_is_taken_and_reported(cli: Here, here: Path) -> None:
    _write(here, "light", settle=STILL)
    told = _run(cli, "light", grid="4x2")
    assert "8 of 8 screenshots are anchored" in told
    assert re.search(r"The image of [1-4] areas never settled, not on a second visit either: it was taken", told)
    facts = cli.json("survey", "show", "g-light-0001")
    assert (facts["state"], facts["areas"]) == ("completed", 8)
    assert facts["unsettled"] in range(1, 5)


def test_an_area_that_never_stands_still_may_be_a_hole_or_end_the_survey(cli: Here, here: Path) -> None:
    _write(here, "light", settle={**STILL, "on_timeout": "hole"})
    told = _run(cli, "holes", grid="4x2")
    assert re.search(r"Nothing usable was shown of [1-4] areas: holes in the map", told)
    assert _state(cli, "holes")[0] == "completed"
    _write(here, "light", settle={**STILL, "on_timeout": "fail"})
    told = _run(cli, "fails", grid="4x2", expect=5)
    assert "The picture kept changing for 1 s: pause the game, ignore what moves" in told
    assert _picture(here, "fails", told).shape == (140, 240, 3)


def test_a_reach_larger_than_the_overlap_is_warned_of_and_harms_nothing(cli: Here, here: Path) -> None:
    _write(here)
    told = _run(cli, "reach", "--reach", "200", grid="3x2")
    assert "Warning: A reach of 200 px is more than the 60 px that neighbouring areas have in common" in told
    assert "6 of 6 screenshots are anchored" in told
