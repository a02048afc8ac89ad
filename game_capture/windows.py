"""The windows that a display shows, and whether the game's covers what is to be captured."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence

from game_capture.processes import find_program
from imageflow_domain.geometry import Rect, Size

_ANSWER_S = 10.0
_GEOMETRY = re.compile(r"X=(-?\d+)\nY=(-?\d+)\nWIDTH=(\d+)\nHEIGHT=(\d+)\n")
_ALL = ("search", "--onlyvisible", "--maxdepth", "1", "--name", ".*", "getwindowgeometry", "--shell", "%@")


def windows_on(environment: Mapping[str, str]) -> tuple[Rect, ...]:
    """Return the visible windows of a display without a window manager, in pixels of its screen.

    There are none where it is gone, or too busy to answer.

    Args:
        environment: What a client needs to connect, besides this process's own environment.
    """
    program = find_program("xdotool", packages="xdotool")
    try:
        told = subprocess.run(
            [program, *_ALL],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ANSWER_S,
            check=False,
        ).stdout
    except subprocess.TimeoutExpired:
        return ()
    return windows_in(told)


def windows_in(told: str) -> tuple[Rect, ...]:
    """Read xdotool's list of windows; the first one is the screen itself."""
    found = [[int(number) for number in one] for one in _GEOMETRY.findall(told)]
    return tuple(Rect(x_px=x, y_px=y, width_px=width, height_px=height) for x, y, width, height in found[1:])


def game_window(windows: Sequence[Rect]) -> Rect:
    """Return the window that is the game's, of one or more: the largest."""
    return max(windows, key=lambda one: (one.width_px * one.height_px, one.y_px, one.x_px))


def why_unfit(windows: Sequence[Rect], crop: Rect, wanted: Size) -> str | None:
    """Say why a game's window does not show what is to be captured; `None` where it does, or nothing is known of it.

    Args:
        windows: All of the display, of which the largest is the game's.
        crop: What is captured, in pixels of the screen.
        wanted: The window's requested size.
    """
    if not windows:
        return None
    window = game_window(windows)
    size = f"{window.width_px}x{window.height_px} px"
    asked = f"{wanted.width_px}x{wanted.height_px} px"
    if crop.intersection(window) != crop:
        return (
            f"The game's window has {size} at {window.x_px},{window.y_px}, and `window` says {asked}: what is to be "
            f"captured, {crop}, is not all inside it. Ask the game for that size in `command`, or set `window` and "
            "`crop` to what it shows."
        )
    if (window.width_px, window.height_px) != (wanted.width_px, wanted.height_px):
        return (
            f"The game's window has {size}, and `window` says {asked}: ask the game for that size in `command`, or "
            f"set `window` to [{window.width_px}, {window.height_px}]."
        )
    return None
