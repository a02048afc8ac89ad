"""What a user has of a program: keys and a mouse, and the picture on the display."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from game_capture.grabber import Screen
from imageflow_domain.geometry import Rect

Send = Callable[..., None]
"""Takes xdotool's commands."""

PAUSE_S = 0.02
"""Between the parts of one movement of the pointer: programs look at it from frame to frame."""


class Hands(Protocol):
    """Keys, mouse and picture of one display; a `Stage` has them."""

    @property
    def screen(self) -> Rect:
        """All of the display."""

    def send(self, *commands: str) -> None:
        """Hand commands to xdotool, one after the other; raise `GameDied`."""

    def grab(self, rect: Rect) -> Screen:
        """Return a part of the display as it is now; raise `GameDied`."""


def press(send: Send, key: str, *, count: int, hold_ms: int, pause_ms: int) -> None:
    """Press a key `count` times.

    Args:
        hold_ms: How long each press lasts; 0 taps.
        pause_ms: After each press.
    """
    for _ in range(count):
        if hold_ms:
            send(f"keydown {key}")
            time.sleep(hold_ms / 1000)
            send(f"keyup {key}")
        else:
            send(f"key {key}")
        time.sleep(pause_ms / 1000)


def click(send: Send, button: int, *, count: int, hold_ms: int, pause_ms: int) -> None:
    """Click where the pointer is; as `press`."""
    for _ in range(count):
        if hold_ms:
            send(f"mousedown {button}")
            time.sleep(hold_ms / 1000)
            send(f"mouseup {button}")
        else:
            send(f"click {button}")
        time.sleep(pause_ms / 1000)


def drag(send: Send, begin: tuple[int, int], end: tuple[int, int], button: int, *, pause_ms: int) -> None:
    """Drag from one place to another.

    Args:
        pause_ms: After each part of the stroke.
    """
    middle = (begin[0] + (end[0] - begin[0]) // 2, begin[1] + (end[1] - begin[1]) // 2)
    for command in (
        f"mousemove {begin[0]} {begin[1]}",
        f"mousedown {button}",
        f"mousemove {middle[0]} {middle[1]}",
        f"mousemove {end[0]} {end[1]}",
        f"mouseup {button}",
    ):
        send(command)
        time.sleep(pause_ms / 1000)


@contextlib.contextmanager
def held(send: Send, keys: Sequence[str]) -> Iterator[None]:
    """Hold keys down meanwhile."""
    for key in keys:
        send(f"keydown {key}")
    yield
    for key in reversed(keys):
        send(f"keyup {key}")
