"""Games for tests: small ones of every kind, and what a test may expect of the machine."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from game_capture.frames import LocalFrames
from game_capture.openttd.config import configuration
from game_capture.registry import open_driver
from game_capture.staging import Staging
from imageflow_domain.geometry import Size
from imageflow_domain.grid import Grid
from imageflow_domain.ports import GameDriver
from imageflow_domain.survey import DriverSpec
from tests.game_capture import own_children

GAMES = ":/usr/games"
PROCESSES = {"openttd": ("openttd", "Xvfb"), "x11": ("openttd", "Xvfb")}
"""By driver that starts some: the processes without which its game cannot go on."""


@pytest.fixture(autouse=True)
def _leave_out_what_runs_already() -> None:
    own_children.remember()


def need(*programs: str) -> None:
    """Skip where a program is missing; in CI that is a failure."""
    missing = [name for name in programs if not shutil.which(name, path=os.environ.get("PATH", "") + GAMES)]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"CI must have {', '.join(missing)}")
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")


def save_picture(path: Path, *, seed: int = 0, size: tuple[int, int] = (64, 48)) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Write an RGB picture of noise; return its pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


class Games:
    """Opens a small game of each kind; the method `_<driver>` has its parameters."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scratch = folder / "scratch"

    def need(self, *programs: str) -> None:
        """Skip the test without these programs; in CI, fail it."""
        need(*programs)

    def open(
        self, name: str, *, grid: Grid | None = None, staging: Staging | None = None, **changes: Any
    ) -> GameDriver:
        spec = self.spec(name, **changes)
        frames = LocalFrames(self.folder / "frames") if name == "folder" else None
        staging = staging or Staging(scratch=self.scratch)
        return open_driver(spec, frames=frames, staging=staging, grid=grid)

    def spec(self, name: str, **changes: Any) -> DriverSpec:
        parameters: dict[str, Any] = getattr(self, f"_{name}")()
        return DriverSpec(name=name, parameters={**parameters, **changes})

    def _folder(self) -> dict[str, Any]:
        frames = self.folder / "frames"
        if not frames.exists():
            frames.mkdir()
            for row in range(2):
                for col in range(3):
                    save_picture(frames / f"r{row:02d}_c{col:02d}.png", seed=10 * row + col)
        return {"step": (48, 32)}

    def _city(self) -> dict[str, Any]:
        return {"seed": 3, "view": (320, 256), "drift_px": 8, "paused": True}

    def _openttd(self) -> dict[str, Any]:
        need("Xvfb", "xdotool", "openttd")
        return {"seed": 3, "map_size": 64, "view": (512, 384), "step": (384, 288)}

    def _x11(self) -> dict[str, Any]:
        """OpenTTD as any program: dragged with the right button."""
        need("Xvfb", "xdotool", "openttd")
        config = self.folder / "dragged.cfg"
        text = configuration(Size(width_px=640, height_px=480), map_side=64, landscape="temperate")
        config.write_text(text.replace("scroll_mode = 3", "scroll_mode = 2"))
        options = [
            "-x",
            "-s",
            "null",
            "-m",
            "null",
            "-v",
            "sdl",
            "-b",
            "8bpp-optimized",
            "-r",
            "{width}x{height}",
            "-g",
            "-G",
            "3",
        ]
        return {
            "command": ("openttd", "-c", str(config), *options, "-g", "-G", "3"),
            "environment": {"HOME": "{scratch}", "XDG_CONFIG_HOME": "{scratch}", "XDG_DATA_HOME": "{scratch}"},
            "window": (640, 480),
            "crop": {"x_px": 0, "y_px": 30, "width_px": 640, "height_px": 420},
            "scroll": {"by": "drag"},
            "step": (320, 200),
            "park": (5, 5),
            "start_wait_s": 1.0,
            # The status bar is hidden while the world is generated, which takes seconds on a busy machine.
            "prepare": [{"wait_until": {"at": [5, 470], "colour": "#838583", "timeout_s": 60}}],
        }


@pytest.fixture
def games(tmp_path: Path) -> Games:
    return Games(tmp_path)


Running = Callable[[str], GameDriver]
"""Returns the one started game of a kind, for tests that only look at it."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with ExitStack() as ends:

        @cache
        def started(name: str) -> GameDriver:
            driver = ends.enter_context(Games(tmp_path_factory.mktemp(name)).open(name))
            own_children.remember()  # tests look for what they start themselves
            return driver

        yield started
