"""The contract of every game driver; see the port's docstring."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from game_capture.registry import DRIVERS, describe_driver
from imageflow_domain.errors import BadFrames, GameDied, GameMissing, InvalidInput
from imageflow_domain.grid import Grid
from imageflow_domain.ports import GameDriver
from tests.game_capture.conftest import PROCESSES, Games, Running
from tests.game_capture.own_children import own_children

GRID = Grid(rows=2, cols=3)

pytestmark = pytest.mark.timeout(120)

every_driver = pytest.mark.parametrize("name", sorted(DRIVERS))
every_process_driver = pytest.mark.parametrize("name", sorted(PROCESSES))
every_process = pytest.mark.parametrize(
    ("name", "victim"), [(name, victim) for name, victims in PROCESSES.items() for victim in victims]
)


def child(name: str) -> psutil.Process:
    return next(process for process in own_children() if process.name() == name)


def wait_until_gone(pids: set[int], timeout_s: float = 8.0) -> set[int]:
    deadline = time.monotonic() + timeout_s
    while left := {pid for pid in pids if is_running(pid)}:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return left


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def grab_all(driver: GameDriver) -> list[bytes]:
    return [driver.grab(area).picture.tobytes() for area in driver.areas(GRID)]


@every_driver
def test_capabilities_and_areas_need_no_started_game(name: str, games: Games) -> None:
    driver = games.open(name)
    areas = driver.areas(GRID)
    assert [area.cell for area in areas] == list(GRID.cells())
    assert driver.capabilities.view.width_px > 0
    assert driver.capabilities.reach_px > 0
    described = describe_driver(name)
    assert described.moves_freely == driver.capabilities.moves_freely
    assert described.settable <= described.parameters["properties"].keys()
    assert not own_children()


@every_driver
def test_a_grid_is_needed_where_the_game_has_none(name: str, games: Games) -> None:
    driver = games.open(name)
    if name == "folder":
        assert [area.cell for area in driver.areas(None)] == list(GRID.cells())
    else:
        with pytest.raises(InvalidInput, match="--grid"):
            driver.areas(None)


@every_driver
def test_a_picture_has_the_promised_shape_and_belongs_to_the_caller(name: str, running: Running) -> None:
    driver = running(name)
    area = driver.areas(GRID)[0]
    view = driver.capabilities.view
    picture = driver.grab(area).picture
    assert picture.shape == (view.height_px, view.width_px, 3)
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous
    before = picture.copy()
    picture[:] = 0
    assert np.array_equal(driver.grab(area).picture, before)


@every_driver
def test_areas_of_a_game_that_stands_still_look_the_same_again(name: str, running: Running) -> None:
    driver = running(name)
    forward = grab_all(driver)
    backward = [driver.grab(area).picture.tobytes() for area in reversed(driver.areas(GRID))]
    assert forward == backward[::-1]
    assert len(set(forward)) > 1


@every_driver
def test_a_fresh_driver_shows_the_same_areas(name: str, running: Running, games: Games) -> None:
    with games.open(name) as driver:
        assert grab_all(driver) == grab_all(running(name))


@every_driver
def test_a_fresh_driver_grabs_areas_that_another_laid_out(name: str, running: Running, games: Games) -> None:
    areas = running(name).areas(GRID)
    with games.open(name, grid=GRID) as driver:
        pictures = [driver.grab(area).picture.tobytes() for area in areas[::-1]]
    assert pictures == [running(name).grab(area).picture.tobytes() for area in areas[::-1]]


@every_driver
def test_leaving_ends_every_process_and_may_be_done_twice(name: str, games: Games) -> None:
    driver = games.open(name)
    with driver:
        driver.grab(driver.areas(GRID)[0])
        assert bool(own_children()) == (name in PROCESSES)
    assert not own_children()
    driver.__exit__(None, None, None)
    assert not games.scratch.exists() or not list(games.scratch.iterdir())


@every_driver
def test_leaving_after_an_error_ends_every_process(name: str, games: Games) -> None:
    driver = games.open(name)
    with pytest.raises(ZeroDivisionError), driver:
        raise ZeroDivisionError
    assert not own_children()


@every_process
def test_a_game_that_died_is_reported_and_a_fresh_one_goes_on(name: str, victim: str, games: Games) -> None:
    with games.open(name) as driver:
        areas = driver.areas(GRID)
        first = driver.grab(areas[0]).picture
        child(victim).kill()
        with pytest.raises(GameDied):
            driver.grab(areas[1])
        with pytest.raises(GameDied):
            driver.grab(areas[0])
    assert not own_children()
    with games.open(name) as driver:
        assert np.array_equal(driver.grab(areas[0]).picture, first)


@every_process
def test_a_game_killed_in_the_middle_of_grabs_never_gives_a_wrong_picture(name: str, victim: str, games: Games) -> None:
    with games.open(name) as driver:
        areas = driver.areas(GRID)
        right = grab_all(driver)
        doomed = child(victim)
        killer = subprocess.Popen(["sh", "-c", f"sleep 0.15; kill -9 {doomed.pid}"])
        with pytest.raises(GameDied):  # noqa: PT012  the loop ends by the error
            while True:
                for area, picture in zip(areas, right, strict=True):
                    assert driver.grab(area).picture.tobytes() == picture
        killer.wait()


@every_process_driver
def test_everything_ends_when_the_owner_is_killed(name: str, games: Games) -> None:
    spec = games.spec(name)
    script = """
import sys, time, psutil
from pathlib import Path
from typing import TYPE_CHECKING
from game_capture.registry import open_driver
from game_capture.staging import Staging
from imageflow_domain.survey import DriverSpec
with open_driver(DriverSpec.model_validate_json(sys.argv[1]), staging=Staging(scratch=Path(sys.argv[2]))):
    print(*(process.pid for process in psutil.Process().children(recursive=True)), flush=True)
    time.sleep(60)
"""
    owner = subprocess.Popen(
        [sys.executable, "-c", script, spec.model_dump_json(), str(games.scratch)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert owner.stdout is not None
    pids = {int(pid) for pid in owner.stdout.readline().split()}
    assert len(pids) >= 3, "a display, a game and a keyboard"
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    assert not wait_until_gone(pids)


@every_process_driver
def test_a_missing_program_is_named(name: str, games: Games, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = games.open(name)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(GameMissing, match="apt install"):
        driver.__enter__()
    assert not own_children()


def test_a_frame_that_became_unusable_is_reported_by_name(games: Games) -> None:
    with games.open("folder") as driver:
        areas = driver.areas(GRID)
        (games.folder / "frames" / "r01_c01.png").write_bytes(b"")
        driver.grab(areas[0])
        with pytest.raises(BadFrames, match="r01_c01"):
            driver.grab(areas[4])


@every_driver
def test_parameters_survive_their_way_through_json(name: str, games: Games) -> None:
    spec = games.spec(name)
    again = spec.model_validate(json.loads(spec.model_dump_json()))
    assert games.open(name, **again.parameters).areas(GRID) == games.open(name).areas(GRID)
