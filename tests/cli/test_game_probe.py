"""`imageflow game probe` and `game init` on a small program of our own."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cli.here import Here, command_line
from tests.game_capture import board
from tests.game_capture.conftest import need

BOARD = f"""\
command: ["{sys.executable}", "{board.__file__}", "{{width}}", "{{height}}", "0", "0"]
window: [400, 260]
crop: {{x_px: 0, y_px: 0, width_px: 240, height_px: 140}}
start_wait_s: 0.5
scroll: {{by: keys}}
"""
MENU = (
    "import tkinter as tk; root = tk.Tk(); root.geometry('320x240+0+0'); "
    "tk.Label(root, text='Press Start').pack(); tk.Button(root, text='Start').pack(); root.mainloop()"
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    need("Xvfb", "xdotool")
    monkeypatch.chdir(tmp_path)
    with command_line(tmp_path / "home") as made:
        yield made


def test_probe_writes_a_yaml_that_check_accepts_and_overwrites_none_unless_it_is_forced(cli: Here) -> None:
    file, made = Path("board.yaml"), Path("made.yaml")
    file.write_text(BOARD)
    done = cli.run("game", "probe", str(file), "--write", str(made), "--no-edges", "--json")
    measured = json.loads(done.stdout)
    assert measured["chosen"] == "the keys of scroll"
    assert [way["across"]["unit_px"] for way in measured["ways"]] == [40.0, 40.0]
    assert "px per press, across          40, variation 0.0" in done.stderr
    assert "Pictures of what the window showed are in 'board-probe'." in done.stderr
    assert Path("board-probe/00-start.png").is_file()
    assert "is right: a game of driver x11" in cli.run("game", "check", str(made)).stderr
    before = made.read_text()
    said = cli.run("game", "probe", str(file), "--write", str(made), expect=2).stderr
    assert "'made.yaml' is there already" in said
    assert "--force" in said
    assert made.read_text() == before
    assert file.read_text() == BOARD


def test_init_on_a_menu_writes_a_yaml_without_scroll_and_says_what_to_do_next(cli: Here) -> None:
    done = cli.run("game", "init", "--name", "menu", "--window", "400x300", sys.executable, "-c", MENU, expect=5)
    assert "The window is 320x240 px large: the YAML says so." in done.stderr
    assert "display: [400, 300]" in Path("menu.yaml").read_text()
    assert "Nothing that was tried moved the camera (arrow keys, Shift and arrow keys, a, d, w, s, drags" in done.stderr
    assert "-no-camera.png" in done.stderr
    assert "'menu.yaml' has no scroll and no step yet" in done.stderr
    assert "by `imageflow game probe menu.yaml --steps`" in done.stderr
    assert "run `imageflow game probe menu.yaml --write menu.yaml --force`" in done.stderr
    said = cli.run("game", "check", "menu.yaml", expect=2).stderr
    assert "'menu.yaml' has no scroll and no step yet, and no other mistake." in said
    assert "by `imageflow game probe menu.yaml --write menu.yaml --force`" in said
    assert said.count("\n") == 1
    assert "'menu.yaml' is there already" in cli.run("game", "init", "--name", "menu", "x", expect=2).stderr


def test_steps_are_shown_and_nothing_is_measured(cli: Here) -> None:
    Path("board.yaml").write_text(BOARD + "prepare: [{at: [100, 150]}, {wait_s: 0.2}]\n")
    done = cli.run("game", "probe", "board.yaml", "--steps")
    assert "Pictures of what the window showed are in 'board-probe'." in done.stderr
    assert "Trying" not in done.stderr
    names = sorted(path.name for path in Path("board-probe").glob("*.png"))
    assert names == ["00-start.png", "01-prepare.0-click-100-150.png", "02-prepare.1-wait_s-0.2.png", "03-end.png"]
    said = cli.run("game", "probe", "board.yaml", "--steps", "--write", "made.yaml", expect=2).stderr
    assert "--steps measures nothing" in said


@pytest.mark.parametrize(("command", "code", "said"), [("no-such-game", 4, "apt install"), ("false", 5, "ended")])
def test_a_game_that_is_missing_or_dies_at_start_ends_with_its_code(
    cli: Here, command: str, code: int, said: str
) -> None:
    Path("game.yaml").write_text(f"command: ['{command}']\nwindow: [320, 240]\nstart_wait_s: 0\n")
    assert said in cli.run("game", "probe", "game.yaml", expect=code).stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_probe_ends_its_game(cli: Here, number: signal.Signals, tmp_path: Path) -> None:
    Path("board.yaml").write_text(BOARD)
    process = subprocess.Popen(
        [sys.executable, "-m", "imageflow_cli.main", "game", "probe", "board.yaml"],
        env=cli.env,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "board-probe" / "00-start.png").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)
    games = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "Pictures of what the window showed until then are in 'board-probe'." in said
    assert out == ""
    assert len(games) >= 3  # display, keys, and the game behind its leash
    assert not psutil.wait_procs(games, timeout=15)[1]


def test_a_probe_that_is_interrupted_at_the_worlds_edges_has_written_what_it_measured(
    cli: Here, tmp_path: Path
) -> None:
    Path("board.yaml").write_text(BOARD)
    command = [sys.executable, "-m", "imageflow_cli.main", "game", "probe", "board.yaml", "--write", "made.yaml"]
    process = subprocess.Popen(command, env=cli.env, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Looking for the world's edges"):
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert "px_per_press: [40, 40]" in Path("made.yaml").read_text()
