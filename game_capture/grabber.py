"""Pixels of a display."""

import contextlib
import os
import threading
from collections.abc import Iterator

import cv2
import mss
import numpy as np
from mss.exception import ScreenShotError
from numpy.typing import NDArray

from game_capture.display import Display
from imageflow_domain.errors import GameDied
from imageflow_domain.geometry import Rect, Size

Screen = NDArray[np.uint8]
"""Blue, green, red and an unused byte, shape (height, width, 4)."""

_connecting = threading.Lock()


class Grabber:
    """One connection to a display; not for use by several threads at once."""

    def __init__(self, display: Display) -> None:
        self._closed = False
        with _authority(display):
            try:
                self._connection = mss.MSS(display=display.name)
            except ScreenShotError as error:
                raise GameDied(f"The display {display.name} does not answer: start the game again.") from error

    @property
    def screen(self) -> Size:
        """The size of all that the display shows; raise `GameDied` where the display is gone."""
        try:
            whole = self._connection.monitors[0]
        except (ScreenShotError, OSError, AssertionError) as error:
            raise GameDied("The game's display is gone: start the game again.") from error
        return Size(width_px=whole["width"], height_px=whole["height"])

    def grab(self, rect: Rect) -> Screen:
        """Return a part of the screen as it is now; raise `GameDied` where the display is gone."""
        box = {"left": rect.x_px, "top": rect.y_px, "width": rect.width_px, "height": rect.height_px}
        try:
            shot = self._connection.grab(box)
        except (ScreenShotError, OSError, AssertionError) as error:  # mss asserts that a server answers
            raise GameDied("The game's display is gone: start the game again.") from error
        return np.frombuffer(shot.raw, dtype=np.uint8).reshape(rect.height_px, rect.width_px, 4)

    def close(self) -> None:
        """May be called twice."""
        if self._closed:  # a second close of a lost connection would abort the whole process
            return
        self._closed = True
        with contextlib.suppress(ScreenShotError):  # it says so where the display was gone before
            self._connection.close()


def to_rgb(screen: Screen) -> NDArray[np.uint8]:
    """Return a copy as RGB, uint8, shape (height, width, 3), C-contiguous."""
    return np.ascontiguousarray(cv2.cvtColor(screen, cv2.COLOR_BGRA2RGB), dtype=np.uint8)


@contextlib.contextmanager
def _authority(display: Display) -> Iterator[None]:
    # The X library reads the cookie's place from this process's environment, and only while it connects.
    wanted = display.environment.get("XAUTHORITY")
    with _connecting:
        if wanted is None:
            yield
            return
        before = os.environ.get("XAUTHORITY")
        os.environ["XAUTHORITY"] = wanted
        try:
            yield
        finally:
            if before is None:
                del os.environ["XAUTHORITY"]
            else:
                os.environ["XAUTHORITY"] = before
