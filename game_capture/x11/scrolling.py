"""How a program's camera is moved: by keys, drags, the wheel, the edge of its window, or its minimap."""

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field
from typing_extensions import override

from game_capture.x11.hands import PAUSE_S, Send, click, drag, held, press
from game_capture.x11.keys import Key
from game_capture.x11.words import Button, Milliseconds, Place, Words
from imageflow_domain.errors import PositionUnreachable
from imageflow_domain.geometry import Position, Rect

_Pixels = Annotated[float, Field(gt=0, le=10_000)]


def _moves(factor: float) -> float:
    if not 0.01 <= abs(factor) <= 10_000:
        raise ValueError("must be between 0.01 and 10000, or between -10000 and -0.01")
    return factor


_Factor = Annotated[float, AfterValidator(_moves)]


@dataclass(frozen=True, kw_only=True)
class Move:
    """One movement of the camera, and where on the display it is made."""

    units: tuple[int, int]
    """Presses, notches, pushes or pixels of the pointer, across and down; below 0 to the left and up."""
    to: Position
    """Where it then is, from the survey's first area."""
    crop: Rect
    """The part of the display that shows the map."""
    window: Rect
    """The part of the display that the program's window covers."""


class _Scroll(Words, ABC):
    """One way to scroll."""

    scale: ClassVar[str]
    """Name of the setting that says how far one unit moves the camera."""
    turn: ClassVar[str] = "change the sign of scroll.{scale}"
    """What to do where the camera goes the wrong way; `{scale}`, `{way}` and `{back}` stand for names of settings."""
    mover: ClassVar[str]
    """The setting that may be wrong where the camera stands still."""
    is_absolute: ClassVar[bool] = False
    """Whether units lead to a place, wherever the camera is."""
    moves_pointer: ClassVar[bool] = False
    """Whether games put the pointer back somewhere a moment after such a movement."""

    def reachable(self, distance_px: int, axis: int) -> float:
        """Return the distance nearest to `distance_px` that whole units can go, at least one unit.

        Args:
            axis: 0 across, 1 down.
        """
        unit_px = self.unit_px(axis)
        return max(1, round(distance_px / unit_px)) * unit_px

    def unit_px(self, axis: int) -> float:
        """Return how far the smallest movement goes: a press, a notch, a pixel of the pointer."""
        return abs(float(getattr(self, self.scale)[axis]))

    def turned(self, units: tuple[int, int]) -> tuple[int, int]:
        """Return units as they are sent: the other way round where the scale is below 0."""
        factors = getattr(self, self.scale)
        return units[0] if factors[0] > 0 else -units[0], units[1] if factors[1] > 0 else -units[1]

    def first_click(self) -> tuple[Place, int] | None:
        """Return the place and the button that show the survey's first area; `None` where `home` alone does."""
        return None

    @abstractmethod
    def move(self, send: Send, move: Move) -> None:
        """Send what moves the camera, and pause as configured; whether the camera obeyed is not looked at."""


class KeyScroll(_Scroll):
    """Scroll by keys: each press moves the camera by the same distance."""

    scale: ClassVar[str] = "px_per_press"
    turn: ClassVar[str] = "exchange scroll.{way} and scroll.{back}"
    mover: ClassVar[str] = "{way}"

    by: Literal["keys"] = "keys"
    """Keys."""
    px_per_press: tuple[_Pixels, _Pixels]
    """Pixels that one press moves the camera, across and down."""
    left: Key = "Left"
    """The key that moves the camera to the left."""
    right: Key = "Right"
    """To the right."""
    up: Key = "Up"
    """Up."""
    down: Key = "Down"
    """Down."""
    hold_ms: Milliseconds = 0
    """How long each press lasts; 0 taps."""
    pause_ms: Milliseconds = 30
    """After each press."""

    @override
    def move(self, send: Send, move: Move) -> None:
        keys = ((self.left, self.right), (self.up, self.down))
        for axis, count in enumerate(self.turned(move.units)):
            if count:
                key = keys[axis][count > 0]
                press(send, key, count=abs(count), hold_ms=self.hold_ms, pause_ms=self.pause_ms)


class DragScroll(_Scroll):
    """Scroll by dragging the map with a mouse button."""

    scale: ClassVar[str] = "camera_px_per_px"
    mover: ClassVar[str] = "button"
    moves_pointer: ClassVar[bool] = True

    by: Literal["drag"] = "drag"
    """A mouse button held down."""
    button: Button = 3
    """1 left, 2 middle, 3 right."""
    camera_px_per_px: tuple[_Factor, _Factor] = (-1.0, -1.0)
    """Pixels that the camera moves for each pixel of the pointer; below 0 where the map follows the pointer."""
    held: tuple[Key, ...] = Field(default=(), max_length=4)
    """Keys that are held down meanwhile."""
    pause_ms: Milliseconds = 20
    """After each part of a stroke."""

    @override
    def move(self, send: Send, move: Move) -> None:
        """Move in strokes that stay inside the crop, each of an even length where that is possible.

        In some games the first half of a stroke only begins the drag: halves of odd lengths would not add up.
        """
        area = move.crop
        limits = (area.width_px * 3 // 8 * 2, area.height_px * 3 // 8 * 2)
        left = list(self.turned(move.units))
        with held(send, self.held):
            while any(left):
                stroke = [max(-limit, min(limit, rest)) for rest, limit in zip(left, limits, strict=True)]
                begin = (
                    area.x_px + (area.width_px - stroke[0]) // 2,
                    area.y_px + (area.height_px - stroke[1]) // 2,
                )
                end = (begin[0] + stroke[0], begin[1] + stroke[1])
                drag(send, begin, end, self.button, pause_ms=self.pause_ms)
                left = [rest - done for rest, done in zip(left, stroke, strict=True)]


class WheelScroll(_Scroll):
    """Scroll by the mouse wheel: each notch moves the camera by the same distance."""

    scale: ClassVar[str] = "px_per_notch"
    mover: ClassVar[str] = "at"

    by: Literal["wheel"] = "wheel"
    """The mouse wheel."""
    px_per_notch: tuple[_Factor, _Factor]
    """Pixels that one notch to the right and down moves the camera; below 0 where it goes the other way."""
    held: tuple[Key, ...] = Field(default=(), max_length=4)
    """Keys that are held down meanwhile."""
    held_across: tuple[Key, ...] = Field(default=(), max_length=4)
    """Keys with which the upright wheel scrolls across: `[shift]`; by default the wheel is turned sideways."""
    at: Place | None = None
    """Where the pointer is meanwhile, in pixels of the display; by default in the middle of the crop."""
    pause_ms: Milliseconds = 30
    """After each notch."""

    @override
    def move(self, send: Send, move: Move) -> None:
        x, y = self.at or middle(move.crop)
        send(f"mousemove {x} {y}")
        time.sleep(PAUSE_S)
        across, down = self.turned(move.units)
        upright = (4, 5)
        self._turn(send, across, upright if self.held_across else (6, 7), (*self.held, *self.held_across))
        self._turn(send, down, upright, self.held)

    def _turn(self, send: Send, notches: int, buttons: tuple[int, int], keys: tuple[str, ...]) -> None:
        if notches:
            with held(send, keys):
                click(send, buttons[notches > 0], count=abs(notches), hold_ms=0, pause_ms=self.pause_ms)


class EdgeScroll(_Scroll):
    """Scroll by pushing the pointer against the window's edge: each push moves the camera about equally far."""

    scale: ClassVar[str] = "px_per_push"
    turn: ClassVar[str] = "scroll by keys or drags instead"
    mover: ClassVar[str] = "push_ms"

    by: Literal["edge"] = "edge"
    """The window's edge."""
    px_per_push: tuple[_Pixels, _Pixels]
    """Pixels that one push moves the camera, across and down."""
    push_ms: Milliseconds = 200
    """How long the pointer stays at the edge."""
    pause_ms: Milliseconds = 100
    """After each push, with the pointer in the middle of the crop."""

    @override
    def move(self, send: Send, move: Move) -> None:
        x, y = middle(move.crop)
        window = move.window
        edges = (
            ((window.x_px, y), (window.right_px - 1, y)),
            ((x, window.y_px), (x, window.bottom_px - 1)),
        )
        for axis, count in enumerate(self.turned(move.units)):
            edge = edges[axis][count > 0]
            for _ in range(abs(count)):
                send(f"mousemove {edge[0]} {edge[1]}")
                time.sleep(self.push_ms / 1000)
                send(f"mousemove {x} {y}")
                time.sleep(self.pause_ms / 1000)


class MinimapScroll(_Scroll):
    """Scroll by clicks on a minimap: each shows the place that was clicked, so that no error grows."""

    scale: ClassVar[str] = "camera_px_per_px"
    turn: ClassVar[str] = "measure scroll.minimap and scroll.first anew"
    is_absolute: ClassVar[bool] = True
    mover: ClassVar[str] = "button"

    by: Literal["minimap"] = "minimap"
    """Clicks on a minimap."""
    minimap: Rect
    """Where the minimap lies on the display."""
    first: Place
    """The place in it that shows the survey's first area, top left. It is clicked after `home`."""
    camera_px_per_px: tuple[_Pixels, _Pixels]
    """Pixels of the map for each pixel of the minimap, across and down; `imageflow game probe` measures them."""
    button: Button = 1
    """1 left, 2 middle, 3 right."""
    hold_ms: Milliseconds = 0
    """How long the button stays down; 0 taps."""
    pause_ms: Milliseconds = 100
    """After the click."""

    @override
    def first_click(self) -> tuple[Place, int] | None:
        return self.first, self.button

    @override
    def move(self, send: Send, move: Move) -> None:
        """Click the place of the area; raise `PositionUnreachable` where that lies beside the minimap."""
        x = self.first[0] + round(move.to.x_px / self.camera_px_per_px[0])
        y = self.first[1] + round(move.to.y_px / self.camera_px_per_px[1])
        inside = self.minimap
        if not (inside.x_px <= x < inside.right_px and inside.y_px <= y < inside.bottom_px):
            raise PositionUnreachable(
                f"The minimap would have to be clicked at {x},{y}, outside of it ({inside}): ask for a smaller grid "
                "or set a smaller `step`, or see scroll.first, scroll.minimap and scroll.camera_px_per_px."
            )
        send(f"mousemove {x} {y}")
        time.sleep(PAUSE_S)
        click(send, self.button, count=1, hold_ms=self.hold_ms, pause_ms=self.pause_ms)


Scroll = Annotated[KeyScroll | DragScroll | WheelScroll | EdgeScroll | MinimapScroll, Field(discriminator="by")]

SCROLLS = (KeyScroll, DragScroll, WheelScroll, EdgeScroll, MinimapScroll)
"""Every way to scroll, in the order in which the docs name them."""


def middle(rect: Rect) -> Place:
    """Return the pixel in the middle of a rectangle; of two the right or lower one."""
    return rect.x_px + rect.width_px // 2, rect.y_px + rect.height_px // 2
