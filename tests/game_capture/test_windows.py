"""A window that does not show what is to be captured is distinguished from one that does."""

import re
from pathlib import Path

import pytest

from game_capture.drivers.x11 import X11Driver, X11Parameters
from game_capture.staging import Staging
from game_capture.windows import why_unfit, windows_in
from imageflow_domain.errors import NoMap
from imageflow_domain.geometry import Rect, Size

SCREEN = Size(width_px=1280, height_px=1024)
CROP = Rect(x_px=0, y_px=40, width_px=1280, height_px=900)
TOLD = """WINDOW=1293
X=0
Y=0
WIDTH=1280
HEIGHT=1024
SCREEN=0
WINDOW=2097166
X=-5
Y=10
WIDTH=800
HEIGHT=600
SCREEN=0
"""


def _window(width_px: int, height_px: int, x_px: int = 0, y_px: int = 0) -> Rect:
    return Rect(x_px=x_px, y_px=y_px, width_px=width_px, height_px=height_px)


def test_the_screen_itself_is_no_window() -> None:
    assert windows_in(TOLD) == (_window(800, 600, -5, 10),)
    assert windows_in(TOLD[: TOLD.index("WINDOW=2097166")]) == ()
    assert windows_in("") == ()


def test_a_window_that_fills_the_display_is_fit_whatever_small_ones_lie_over_it() -> None:
    assert why_unfit([_window(200, 100, 30, 30), _window(1280, 1024)], CROP, SCREEN) is None
    assert why_unfit([], CROP, SCREEN) is None


@pytest.mark.parametrize(
    ("window", "said"),
    [
        (
            _window(800, 600),
            "has 800x600 px at 0,0, and `window` says 1280x1024 px: .* 0,40,1280,900, is not all inside",
        ),
        (_window(1280, 1024, 40, 0), "at 40,0"),
        (_window(1280, 960), "set `window` to \\[1280, 960\\]"),
        (_window(1920, 1080), "set `window` to \\[1920, 1080\\]"),
    ],
)
def test_another_window_is_told_with_its_size_and_the_setting(window: Rect, said: str) -> None:
    why = why_unfit([window], CROP, SCREEN)
    assert why is not None
    assert re.search(said, why)


@pytest.mark.e2e
def test_a_game_in_too_small_a_window_is_stopped_with_a_picture_of_it(tmp_path: Path) -> None:
    parameters = X11Parameters.model_validate(
        {
            "command": ["lincity-ng", "--window", "--size", "800x600"],
            "environment": {"HOME": "{scratch}"},
            "window": [1280, 1024],
            "crop": {"x_px": 0, "y_px": 40, "width_px": 1280, "height_px": 900},
            "scroll": {"by": "keys", "px_per_press": [64, 64]},
            "step": [1024, 704],
        }
    )
    driver = X11Driver(parameters, staging=Staging(scratch=tmp_path))
    with pytest.raises(NoMap, match="The game's window has 800x600 px") as caught, driver:
        pass
    assert caught.value.picture.shape == (1024, 1280, 3)
    assert caught.value.picture[:600, :800].any()
    assert not caught.value.picture[700:, 900:].any()
