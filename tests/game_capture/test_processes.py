"""A driver's processes end with it in every case; displays do not collide, and refuse other accounts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from game_capture.display import PrivateDisplay
from game_capture.grabber import Grabber
from game_capture.processes import Leashed, find_program
from imageflow_domain.errors import GameDied, GameMissing, Unavailable
from imageflow_domain.geometry import Rect, Size
from imageflow_domain.grid import Grid
from tests.game_capture.own_children import own_children

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.game_capture.conftest import Games

SCREEN = Size(width_px=320, height_px=200)
CORNER = Rect(x_px=0, y_px=0, width_px=32, height_px=32)

pytestmark = pytest.mark.timeout(60)


def leashed(folder: Path, *command: str) -> Leashed:
    return Leashed(command, log=folder / "log", environment=os.environ, folder=folder)


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_process_that_left_its_group_is_ended_too(tmp_path: Path) -> None:
    started = leashed(tmp_path, "sh", "-c", "trap '' TERM; setsid sleep 61 & echo $!; sleep 60")
    until(lambda: (tmp_path / "log").read_text().strip() != "")
    runaway = psutil.Process(int((tmp_path / "log").read_text()))
    started.stop()
    started.stop()
    assert not runaway.is_running()
    assert not started.running
    assert not own_children()


_THREAD_LIVES_ON = """
import ctypes, os, subprocess, threading, time
print(subprocess.Popen(["sleep", "63"]).pid, flush=True)
threading.Thread(target=time.sleep, args=(60,)).start()
ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[os.uname().machine], 0)
"""
"""The system call ends the first thread alone: `/proc` shows a zombie, whose children go on."""


def test_what_a_process_of_several_threads_started_ends_with_it_while_it_is_dying(tmp_path: Path) -> None:
    started = leashed(tmp_path, sys.executable, "-c", _THREAD_LIVES_ON)
    until(lambda: (tmp_path / "log").read_text().strip() != "")
    child = psutil.Process(int((tmp_path / "log").read_text()))
    parent = child.parent()
    assert parent is not None
    until(lambda: parent.status() == psutil.STATUS_ZOMBIE)
    started.stop()
    assert not child.is_running()
    assert not own_children()


def test_what_a_finished_command_left_behind_is_ended(tmp_path: Path) -> None:
    started = leashed(tmp_path, "sh", "-c", "sleep 62 & echo $!")
    until(lambda: not started.running)
    assert not psutil.pid_exists(int((tmp_path / "log").read_text()))
    started.stop()


def test_the_end_of_the_thread_that_started_it_ends_nothing(tmp_path: Path) -> None:
    started: list[Leashed] = []
    thread = threading.Thread(target=lambda: started.append(leashed(tmp_path, "sleep", "60")))
    thread.start()
    thread.join()
    time.sleep(0.2)
    assert started[0].running
    started[0].stop()
    assert not started[0].running


def test_a_fork_of_the_owner_that_lives_on_holds_nothing_up(tmp_path: Path) -> None:
    script = """
import os, sys, time
from pathlib import Path
from game_capture.processes import Leashed
folder = Path(sys.argv[1])
Leashed(["sh", "-c", "echo $$; sleep 63"], log=folder / "log", environment=os.environ, folder=folder)
if os.fork() == 0:
    (folder / "fork").write_text(str(os.getpid()))
time.sleep(64)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    owner = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], env=environment)
    for name in ("log", "fork"):
        until(lambda file=tmp_path / name: file.exists() and file.read_text().strip() != "")  # type: ignore[misc]
    owner.kill()
    owner.wait()
    try:
        until(lambda: not psutil.pid_exists(int((tmp_path / "log").read_text())))
    finally:
        os.kill(int((tmp_path / "fork").read_text()), signal.SIGKILL)


def test_the_last_words_of_a_command_are_kept(tmp_path: Path) -> None:
    started = leashed(tmp_path, "sh", "-c", "echo first; echo no such picture >&2; exit 3")
    until(lambda: not started.running)
    assert started.last_words() == "no such picture"
    started.stop()
    absent = leashed(tmp_path, "/nonexistent/game")
    until(lambda: not absent.running)
    assert "No such file" in absent.last_words()
    absent.stop()


def test_a_missing_program_names_its_packages() -> None:
    with pytest.raises(GameMissing, match="apt install lincity-ng"):
        find_program("no-such-game", packages="lincity-ng")


def test_displays_started_at_once_do_not_collide(games: Games, tmp_path: Path) -> None:
    games.need("Xvfb")

    def start(number: int) -> PrivateDisplay:
        (tmp_path / str(number)).mkdir()
        display = PrivateDisplay(SCREEN, scratch=tmp_path / str(number), timeout_s=20)
        display.start()
        return display

    with ThreadPoolExecutor(5) as pool:
        displays = list(pool.map(start, range(5)))
    assert len({display.name for display in displays}) == 5
    for display in displays:
        grabber = Grabber(display)
        assert grabber.grab(CORNER).shape == (32, 32, 4)
        grabber.close()
        display.stop()
        display.stop()
    assert not own_children()


def test_a_display_lets_in_only_who_has_its_cookie(games: Games, tmp_path: Path) -> None:
    games.need("Xvfb", "xdotool")
    with PrivateDisplay(SCREEN, scratch=tmp_path, timeout_s=20) as display:
        assert (tmp_path / "Xauthority").stat().st_mode & 0o077 == 0
        stranger = {"PATH": os.environ["PATH"], "DISPLAY": display.name, "XAUTHORITY": "/dev/null"}
        command = ["xdotool", "getdisplaygeometry"]
        assert "320" not in subprocess.run(command, env=stranger, capture_output=True, text=True, check=False).stdout
        friend = stranger | dict(display.environment)
        assert subprocess.run(command, env=friend, capture_output=True, text=True, check=True).stdout == "320 200\n"


def test_a_display_that_died_is_reported(games: Games, tmp_path: Path) -> None:
    games.need("Xvfb")
    before = os.environ.get("XAUTHORITY")
    with PrivateDisplay(SCREEN, scratch=tmp_path, timeout_s=20) as display:
        grabber = Grabber(display)
        server = next(p for p in own_children() if p.name() == "Xvfb")
        server.kill()
        until(lambda: not display.running)
        with pytest.raises(GameDied, match="display"):
            grabber.grab(CORNER)
        with pytest.raises(GameDied, match="does not answer"):
            Grabber(display)
        grabber.close()
        grabber.close()
    assert os.environ.get("XAUTHORITY") == before


@pytest.mark.parametrize("name", ["openttd", "x11"])
def test_a_scratch_folder_that_cannot_be_written_is_named(name: str, games: Games) -> None:
    driver = games.open(name)
    assert driver.areas(Grid(rows=1, cols=1))
    games.scratch.write_text("a file, not a folder")
    with pytest.raises(Unavailable, match="scratch"):
        driver.__enter__()
