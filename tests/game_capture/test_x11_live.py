"""The `x11` driver on a small program of our own: ways to scroll, what surrounds the program, and its account."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from game_capture.accounts import Account
from game_capture.drivers import x11
from game_capture.registry import open_driver
from game_capture.staging import Staging
from imageflow_domain.capture import EXACT
from imageflow_domain.errors import CaptureError, GameDied, GameMissing, GameNeverSettled, NoMap, Unavailable
from imageflow_domain.geometry import Position
from imageflow_domain.grid import Grid
from imageflow_domain.ports import GameDriver
from imageflow_domain.survey import DriverSpec
from imageflow_mosaic.movement import FrameComparer
from tests.game_capture import board, landscape
from tests.game_capture.conftest import Games, need
from tests.game_capture.test_driver_contract import child

WORLD = board.world()
GRID = Grid(rows=2, cols=2)
NEAR = [80, 40]
"""A step that leaves enough in common to see every move by."""
WIDE = {"width_px": 400, "height_px": 280}
"""A crop that holds enough sub-windows to be sure of a movement that is no whole presses."""
KEYS = {"by": "keys", "px_per_press": [40, 40], "pause_ms": 10}
MINIMAP = {"x_px": 280, "y_px": 190, "width_px": 160, "height_px": 120}
"""On the display; the window lies at 40,50 and is 400x260 px large."""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def _board(scratch: Path, *words: str, beside: Path | None = None, **changes: Any) -> GameDriver:
    need("Xvfb", "xdotool")
    parameters = {
        "command": [sys.executable, board.__file__, "{width}", "{height}", "40", "50", *words],
        "window": [400, 260],
        "window_at": [40, 50],
        "display": [480, 360],
        "crop": {"x_px": 40, "y_px": 50, "width_px": 240, "height_px": 140},
        "scroll": KEYS,
        "step": [160, 80],
        "start_wait_s": 0.5,
        "move_wait_s": 0.3,
        "settle": {"equal_grabs": 4, "interval_s": 0.05},
        **changes,
    }
    read = (lambda name: (beside / name).read_bytes()) if beside else None
    more = {} if read is None else {"read_beside": read}
    spec = DriverSpec(name="x11", parameters=parameters)
    return open_driver(spec, staging=Staging(scratch=scratch), comparer=FrameComparer(), **more)


def _shown_at(at: Position | None, width_px: int = 240, height_px: int = 140) -> NDArray[np.uint8]:
    assert at is not None
    x, y = round(at.x_px), round(at.y_px)
    return WORLD[y : y + height_px, x : x + width_px]


@pytest.mark.parametrize(
    "scroll",
    [
        KEYS,
        {"by": "drag"},
        {"by": "wheel", "px_per_notch": [40, 40], "pause_ms": 10},
        {"by": "wheel", "px_per_notch": [40, 40], "pause_ms": 10, "held_across": ["shift"]},
        {"by": "minimap", "minimap": MINIMAP, "first": [280, 190], "camera_px_per_px": [10, 10]},
    ],
    ids=["keys", "drag", "wheel", "wheel and shift", "minimap"],
)
def test_every_way_to_scroll_shows_the_areas_of_a_window_smaller_than_its_display(
    scroll: dict[str, Any], tmp_path: Path
) -> None:
    with _board(tmp_path, scroll=scroll, step=NEAR) as driver:
        for area in driver.areas(GRID):
            grabbed = driver.grab(area)
            assert (grabbed.position, grabbed.uncertainty) == (area.position, EXACT)
            assert np.array_equal(grabbed.picture, _shown_at(grabbed.position)), area


def test_a_pointer_that_a_game_puts_back_after_a_drag_marks_no_place_of_the_map(tmp_path: Path) -> None:
    with _board(tmp_path, "warps", scroll={"by": "drag"}, step=NEAR, park=[430, 300]) as driver:
        for area in driver.areas(GRID):
            grabbed = driver.grab(area)
            assert np.array_equal(grabbed.picture, _shown_at(grabbed.position)), area


@pytest.mark.parametrize("scroll", [KEYS, {"by": "drag"}], ids=["keys", "drag"])
def test_where_the_camera_was_found_is_the_truth_though_it_is_not_where_it_was_sent(
    scroll: dict[str, Any], tmp_path: Path
) -> None:
    large = {"window": [560, 400], "display": [640, 480], "crop": {**WIDE, "x_px": 40, "y_px": 50}}
    with _board(tmp_path, "slips", scroll=scroll, step=NEAR, **large) as driver:
        for area in driver.areas(GRID):
            grabbed = driver.grab(area)
            assert grabbed.uncertainty == EXACT
            assert np.array_equal(grabbed.picture, _shown_at(grabbed.position, **WIDE)), area
            assert area.position is not None
            assert grabbed.position is not None
            off = area.position.x_px - grabbed.position.x_px, area.position.y_px - grabbed.position.y_px
            assert max(map(abs, off)) <= board.STEP / 2


def test_the_window_s_edge_moves_the_camera(tmp_path: Path) -> None:
    scroll = {"by": "edge", "px_per_push": [40, 40], "push_ms": board.PUSH_MS}
    driver = _board(tmp_path, "edge", scroll=scroll)
    with driver:
        first, _, _, last = (driver.grab(area).picture for area in driver.areas(GRID))
        log = driver._running().log()  # type: ignore[attr-defined]
    assert not np.array_equal(first, last)
    assert "pushed 40 0" in log
    assert "pushed 0 40" in log


@pytest.mark.parametrize(
    ("scroll", "said"),
    [
        ({"by": "wheel", "px_per_notch": [-40, 40]}, r"left when it was sent right: change the sign of scroll\.px_per"),
        ({"by": "drag", "button": 2}, r"stood still when it was sent right, .* scroll\.button is right"),
    ],
    ids=["wheel", "drag"],
)
def test_a_camera_that_does_not_go_where_it_is_sent_names_the_setting_and_shows_the_picture(
    scroll: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with _board(tmp_path, scroll=scroll, home=[{"key": "Right", "count": 9}]) as driver:
        last = driver.areas(Grid(rows=1, cols=3))[-1]
        with pytest.raises(NoMap, match=said) as raised:
            driver.grab(last)
    assert raised.value.picture.shape == (140, 240, 3)


def test_files_and_commands_surround_the_program_and_a_dialog_is_closed(tmp_path: Path) -> None:
    beside, notes = tmp_path / "beside", tmp_path / "notes"
    beside.mkdir()
    (beside / "town.sav").write_text("a town")
    Image.new("RGB", (40, 20), "white").save(beside / "dialog.png")
    dialog = {"if_shown": "dialog.png", "wait_s": 10, "then": [{"key": "Escape"}, {"wait_until": {"changed": True}}]}
    driver = _board(
        tmp_path / "scratch",
        "dialog",
        beside=beside,
        files={"saves/town.sav": "town.sav"},
        before=[{"run": ["cp", "saves/town.sav", str(notes)]}],
        after=[{"run": ["mv", str(notes), f"{notes}-after"]}],
        prepare=[dialog],
    )
    with driver:
        assert notes.read_text() == "a town"
        assert np.array_equal(driver.grab(driver.areas(GRID)[0]).picture, WORLD[:140, :240])
    assert Path(f"{notes}-after").read_text() == "a town"
    assert not notes.exists()


@pytest.mark.parametrize(
    ("command", "timeout_s", "error", "said"),
    [
        (["sh", "-c", "echo no room >&2; exit 3"], 60, CaptureError, r"'.*sh' failed with status 3 \(no room\)"),
        (["sleep", "60"], 0.5, CaptureError, r"'.*sleep' took longer than 0\.5 s"),
        (["no-such-program"], 60, GameMissing, "'no-such-program' is not installed"),
    ],
)
def test_a_command_that_fails_or_does_not_end_is_named(
    command: list[str], timeout_s: float, error: type[Exception], said: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said):
        _board(tmp_path / "scratch", before=[{"run": command, "timeout_s": timeout_s}]).__enter__()
    assert not list((tmp_path / "scratch").iterdir())


def test_a_command_that_fails_after_the_game_does_not_hide_what_stopped_the_survey(tmp_path: Path) -> None:
    after = [{"run": ["sh", "-c", "exit 3"]}]
    with pytest.raises(CaptureError, match="failed with status 3"), _board(tmp_path / "a", after=after):
        pass
    with pytest.raises(NoMap, match="a menu"), _board(tmp_path / "b", after=after):
        raise NoMap("a menu", picture=WORLD)


def test_a_game_runs_as_another_account_with_a_folder_and_a_cookie_of_its_own(games: Games) -> None:
    own = (games.folder, *games.folder.parents)
    for folder in (folder for folder in own if folder.is_relative_to("/tmp/")):  # noqa: S108
        folder.chmod(folder.stat().st_mode | 0o011)  # pytest's folders are closed to others
    # OpenTTD, as the Python of these tests may lie where other accounts cannot read it
    parameters = games.spec("x11").parameters
    (games.folder / "dragged.cfg").rename(games.folder / "given.cfg")
    command = [
        str(word).replace(str(games.folder / "dragged.cfg"), "{scratch}/own.cfg") for word in parameters["command"]
    ]
    look = 'echo >> own.cfg && id -u && stat -c "%u %a" . own.cfg "$XAUTHORITY"'
    changes = {
        "command": command,
        "user": "nobody",
        "files": {"own.cfg": "given.cfg"},
        "before": [{"run": ["sh", "-c", look]}],
    }
    driver = open_driver(
        DriverSpec(name="x11", parameters={**parameters, **changes}),
        staging=Staging(scratch=games.scratch),
        read_beside=lambda name: (games.folder / name).read_bytes(),
    )
    is_root = os.geteuid() == 0
    uid = 65534 if is_root else os.getuid()
    with driver:
        stage = driver._running()  # type: ignore[attr-defined]
        said = (stage.home / "command.log").read_text().split()
        assert (child("openttd").uids().real, said[0]) == (uid, str(uid))
        assert said[1:] == [*[str(uid), "700"], *[str(uid), "600" if is_root else "644"], *[str(uid), "600"]]
        assert (stage.home / "Xauthority").stat().st_mode & 0o077 == 0
        assert driver.grab(driver.areas(GRID)[0]).picture.any()
    assert not list(games.scratch.iterdir())


def test_an_account_that_cannot_enter_the_scratch_folder_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(Unavailable, match="'stranger', who cannot enter '/"):
        Account(name="stranger", uid=64_999, gid=64_999).check_can_enter(closed)


def test_a_game_that_ends_in_the_middle_of_its_actions_is_reported(tmp_path: Path) -> None:
    with pytest.raises(GameDied):
        _board(tmp_path, command=["sleep", "1"], start_wait_s=2).__enter__()


def test_a_window_that_is_gone_is_no_black_area_beyond_the_world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(x11, "_END_S", 0.5)
    with _board(tmp_path, "hides=3") as driver:
        first, second, *_ = driver.areas(GRID)
        shown = driver.grab(first).picture
        with pytest.raises(GameDied, match=r"window is gone") as caught:
            driver.grab(second)
    assert caught.value.picture is not None
    assert caught.value.picture.shape == shown.shape
    assert caught.value.picture.any()


def test_a_prepare_that_begins_by_waiting_needs_no_picture_that_stands_still(tmp_path: Path) -> None:
    need("Xvfb", "xdotool")
    restless = {"command": [sys.executable, landscape.__file__, "{width}", "{height}", "restless"], "window_at": [0, 0]}
    changes = {**restless, "crop": None, "step": [160, 80], "start_timeout_s": 10}
    with pytest.raises(GameNeverSettled, match="kept changing"):
        _board(tmp_path, **changes).__enter__()
    with _board(tmp_path, **changes, prepare=[{"wait_s": 0.2}]) as driver:
        assert driver.grab(driver.areas(GRID)[0]).picture.shape == (260, 400, 3)
