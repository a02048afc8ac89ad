"""Waiting until a program that was started shows something."""

import time

import numpy as np
from numpy.typing import NDArray

from game_capture.stage import Stage
from imageflow_domain.errors import GameNeverSettled
from imageflow_domain.geometry import Rect

_LOOK_S = 0.1


def wait_until_shown(stage: Stage, part: Rect, *, wait_s: float, timeout_s: float) -> None:
    """Return once a part of the display shows more than one colour.

    Args:
        wait_s: Until the first look.
        timeout_s: From now until something is shown.

    Raises:
        GameDied: Where the program ends meanwhile.
        GameNeverSettled: Where nothing is shown in time.
    """
    began = time.monotonic()
    while time.monotonic() - began < wait_s:
        stage.check_alive()
        time.sleep(_LOOK_S)
    while is_blank(stage.grab(part)):
        if time.monotonic() - began > timeout_s:
            raise GameNeverSettled(f"The window stayed empty for {timeout_s:g} s: try the command by hand.")
        time.sleep(_LOOK_S)


def is_blank(picture: NDArray[np.uint8]) -> bool:
    """Whether a picture, shape (height, width, channels), has one colour all over."""
    return bool((picture == picture[0, 0]).all())
