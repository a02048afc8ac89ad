"""The x11 driver on a window whose picture never stands still."""

import sys
from pathlib import Path

import pytest

from game_capture.drivers.x11 import X11Driver
from game_capture.staging import Staging
from game_capture.x11.parameters import X11Parameters
from imageflow_domain.capture import AreaState
from imageflow_domain.errors import GameNeverSettled
from imageflow_domain.grid import Grid
from tests.game_capture import landscape
from tests.game_capture.conftest import need

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def restless(tmp_path: Path) -> X11Driver:
    need("Xvfb", "xdotool")
    parameters = X11Parameters.model_validate(
        {
            "command": [sys.executable, str(Path(landscape.__file__)), "{width}", "{height}", "restless"],
            "window": (320, 256),
            "scroll": {"by": "keys", "px_per_press": landscape.PRESS},
            "step": (192, 128),
            "start_wait_s": 0.2,
            "settle": {"equal_grabs": 1, "interval_s": 0.3},
        }
    )
    return X11Driver(parameters, staging=Staging(scratch=tmp_path / "scratch"))


def test_it_is_taken_as_it_is_or_left_out_or_refused_as_asked(restless: X11Driver) -> None:
    with restless as driver:
        area = driver.areas(Grid(rows=1, cols=1))[0]
        for ask, state in (("take", AreaState.TAKEN), ("hole", AreaState.HOLE)):
            rule = {"equal_grabs": 9, "timeout_s": 0.7, "on_timeout": ask}
            driver._settle = driver._settle.model_copy(update=rule)  # one game stands for three
            one = driver.grab(area)
            assert (one.state, one.is_settled) == (state, False)
            assert (one.frame is None) == (state is AreaState.HOLE)
        driver._settle = driver._settle.model_copy(update={"on_timeout": "fail"})
        with pytest.raises(GameNeverSettled, match="kept changing"):
            driver.grab(area)
