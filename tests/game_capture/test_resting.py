"""Where the pointer rests over a program that scrolls by itself."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from game_capture.probe.resting import look_at_rest
from game_capture.probe.rig import Rig
from imageflow_domain.geometry import Rect

WINDOW = Rect(x_px=0, y_px=0, width_px=320, height_px=240)
CORNER = (319, 239)


class _Scrolling:
    """A rig whose camera moves while the pointer is in the window's corner, up to the end of the world.

    Args:
        drifts: The camera also moves until the pointer first does.
        speed_px: From one look to the next.
        home_px: Where the last step of `home` brings the camera, after the start.
    """

    def __init__(self, *, drifts: bool = False, speed_px: int = 8, home_px: int = 0) -> None:
        self.window, self.park, self.late_s, self.up_s = WINDOW, CORNER, 0.0, 1.0
        self._drifts, self._speed_px, self._home_px, self._at_px = drifts, speed_px, home_px, 0
        self._world = np.random.default_rng(6).integers(0, 255, (240, 4000, 3), np.uint8)
        self.starts: list[NDArray[np.uint8]] = []
        self.ignored: NDArray[np.bool_] | None = None
        self.restart()

    def restart(self) -> None:
        self._at_px, self.stood_at_start = 0, not self._drifts
        self.starts.append(self._shown())
        self._at_px = 500 if self._drifts else self._home_px

    def look(self) -> None:
        self._shown()

    def rest(self, _for_s: float, grabs: int) -> Sequence[NDArray[np.uint8]]:
        return [self._shown() for _ in range(grabs)]

    def ignore(self, squares: NDArray[np.bool_]) -> None:
        self.ignored = squares

    def _shown(self) -> NDArray[np.uint8]:
        if self.starts and self.park == CORNER:
            self._at_px = min(self._at_px + self._speed_px, self._world.shape[1] - WINDOW.width_px)
        return self._world[:, self._at_px : self._at_px + WINDOW.width_px].copy()


@pytest.mark.parametrize("drifts", [False, True])
def test_the_pointer_leaves_a_corner_that_scrolls_also_where_the_camera_moved_before_it_came_there(
    *, drifts: bool
) -> None:
    rig = _Scrolling(drifts=drifts)
    squares = look_at_rest(cast("Rig", rig), may_park=True)
    assert rig.park == (256, 176)
    assert not squares.any()
    assert rig.ignored is squares
    assert rig.late_s == 0


def test_the_pointer_leaves_a_corner_that_scrolls_also_where_the_last_step_of_home_acts_late() -> None:
    rig = _Scrolling(speed_px=4000, home_px=600)
    assert not look_at_rest(cast("Rig", rig), may_park=True).any()
    assert rig.park == (256, 176)
    assert rig.late_s == rig.up_s


def test_the_pointer_stays_in_a_corner_that_does_not_scroll_where_the_last_step_of_home_acts_late() -> None:
    rig = _Scrolling(speed_px=0, home_px=600)
    assert not look_at_rest(cast("Rig", rig), may_park=True).any()
    assert rig.park == CORNER
    assert rig.late_s == rig.up_s
