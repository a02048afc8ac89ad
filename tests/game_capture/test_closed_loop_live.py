"""The x11 driver on a real window whose keys are lost, and whose land ends in a slant."""

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench import lossy_xdotool
from game_capture.drivers.x11 import X11Driver
from game_capture.staging import Staging
from game_capture.x11.parameters import X11Parameters
from imageflow_domain.capture import EXACT, AreaState, Grabbed, StoredFrame
from imageflow_domain.grid import Cell, Grid
from imageflow_mosaic.movement import FrameComparer
from imageflow_surveys.capture_order import capture_order
from tests.game_capture import landscape
from tests.game_capture.conftest import need
from tests.game_capture.not_wrapping import NotWrapping

HOME = (64, 32)
WINDOW = (320, 256)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def losing_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one in ten key presses be lost."""
    folder = tmp_path / "bin"
    folder.mkdir()
    arrows = [f"key {arrow}" for arrow in ("Left", "Right", "Up", "Down")]
    for name, value in lossy_xdotool.install(folder, arrows).items():
        monkeypatch.setenv(name, value)


class Taken(NotWrapping):
    """The frames taken so far, as a survey stores them."""

    def __init__(self) -> None:
        self.grabbed: dict[Cell, Grabbed] = {}

    def near(self, cell: Cell) -> tuple[StoredFrame, ...]:
        beside = [
            StoredFrame(cell=other, frame=one.picture, position=one.position, uncertainty=one.uncertainty)
            for other, one in self.grabbed.items()
            if max(abs(other.row - cell.row), abs(other.col - cell.col)) == 1 and one.position and one.uncertainty
        ]
        return tuple(sorted(beside, key=lambda stored: stored.uncertainty.longest_px)[:3])


def _driver(tmp_path: Path, taken: Taken) -> X11Driver:
    need("Xvfb", "xdotool")
    parameters = X11Parameters.model_validate(
        {
            "command": [sys.executable, str(Path(landscape.__file__)), "{width}", "{height}"],
            "window": WINDOW,
            "scroll": {"by": "keys", "px_per_press": landscape.PRESS, "pause_ms": 10},
            "step": (192, 128),
            "start_wait_s": 0.5,
            "move_wait_s": 0.2,
            "park": (5, 5),
            "settle": {"equal_grabs": 4, "interval_s": 0.03},
        }
    )
    staging = Staging(scratch=tmp_path / "scratch")
    return X11Driver(parameters, staging=staging, comparer=FrameComparer(), neighbours=taken)


def _truth(land: NDArray[np.uint8], one: Grabbed) -> tuple[int, int] | None:
    """Return how far from where it is believed to lie a frame shows the land, as near as may be."""
    assert one.position is not None
    assert one.uncertainty is not None
    x, y = (int(px) + begin for px, begin in zip((one.position.x_px, one.position.y_px), HOME, strict=True))
    off_x, off_y = int(one.uncertainty.x_px), int(one.uncertainty.y_px)
    for dy in sorted(range(-off_y, off_y + 1, landscape.PRESS[1]), key=abs):
        for dx in sorted(range(-off_x, off_x + 1, landscape.PRESS[0]), key=abs):
            if np.array_equal(one.picture, land[y + dy : y + dy + WINDOW[1], x + dx : x + dx + WINDOW[0]]):
                return dx, dy
    return None


@pytest.mark.usefixtures("losing_keys")
def test_with_keys_lost_and_a_slanting_edge_every_area_is_seen_or_outside(tmp_path: Path) -> None:
    land, grid, taken = landscape.land(), Grid(rows=4, cols=5), Taken()
    with _driver(tmp_path, taken) as driver:
        areas = {area.cell: area for area in driver.areas(grid)}
        outside = set()
        for cell in capture_order(tuple(areas), at=Cell(row=0, col=0), step_by_step=True):
            one = driver.grab(areas[cell])
            if one.state is AreaState.TAKEN:
                taken.grabbed[cell] = one
            else:
                outside.add((cell, one.state))
    assert outside == {(Cell(row=0, col=4), AreaState.OUTSIDE)}
    sure = 0
    for cell, one in taken.grabbed.items():
        truth = _truth(land, one)
        assert truth is not None, cell
        wanted = areas[cell].position
        assert wanted is not None
        assert one.position is not None
        if one.uncertainty != EXACT:
            continue
        sure += 1
        assert truth == (0, 0)
        last = landscape.last_x(int(one.position.y_px) + HOME[1], WINDOW[0]) - HOME[0]
        assert abs(one.position.x_px - min(wanted.x_px, last)) <= 16
        assert abs(one.position.y_px - wanted.y_px) <= 16
    unsure = {str(cell): one.uncertainty for cell, one in taken.grabbed.items() if one.uncertainty != EXACT}
    assert sure >= 15, f"only frames that show the lake alone are undecided: {unsure}"
