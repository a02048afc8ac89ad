"""How a game without a driver of its own is scrolled: the words of its configuration, and what they do."""

import time
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from imageflow_domain.geometry import Offset, Rect

Send = Callable[..., None]
"""Takes xdotool's commands."""

# Whatever reaches xdotool must stay one word: its language can start programs.
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,32}(\+[A-Za-z0-9_]{1,32}){0,3}$")]
_Pixels = Annotated[float, Field(gt=0, le=10_000)]
_Milliseconds = Annotated[int, Field(ge=0, le=60_000)]
_Button = Annotated[int, Field(ge=1, le=3)]
_Place = tuple[Annotated[int, Field(ge=0, le=16_383)], Annotated[int, Field(ge=0, le=16_383)]]

_DRAG_PAUSE_S = 0.02


def _moves(factor: float) -> float:
    if not 0.01 <= abs(factor) <= 100:
        raise ValueError("must be between 0.01 and 100, or between -100 and -0.01")
    return factor


_Factor = Annotated[float, AfterValidator(_moves)]


class _Action(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Press(_Action):
    """Press a key, as xdotool names it: `Escape`, `Left`, `ctrl+p`."""

    key: Key
    count: int = Field(default=1, ge=1, le=10_000)
    hold_ms: _Milliseconds = 0
    """How long each press lasts; 0 taps."""
    pause_ms: _Milliseconds = 30
    """After each press."""

    def perform(self, send: Send) -> None:
        for _ in range(self.count):
            if self.hold_ms:
                send(f"keydown {self.key}")
                time.sleep(self.hold_ms / 1000)
                send(f"keyup {self.key}")
            else:
                send(f"key {self.key}")
            time.sleep(self.pause_ms / 1000)


class Click(_Action):
    """Click at a place of the screen."""

    at: _Place
    button: _Button = 1

    def perform(self, send: Send) -> None:
        send(f"mousemove {self.at[0]} {self.at[1]}", f"click {self.button}")
        time.sleep(_DRAG_PAUSE_S)


class Wait(_Action):
    """Do nothing for a while."""

    wait_s: float = Field(gt=0, le=600)

    def perform(self, send: Send) -> None:  # noqa: ARG002  the actions' one signature
        time.sleep(self.wait_s)


Action = Press | Click | Wait


class KeyScroll(_Action):
    """Scroll by keys: each press moves the camera by the same distance."""

    by: Literal["keys"] = "keys"
    left: Key = "Left"
    right: Key = "Right"
    up: Key = "Up"
    down: Key = "Down"
    px_per_press: tuple[_Pixels, _Pixels]
    """Pixels that one press moves the camera, across and down."""
    hold_ms: _Milliseconds = 0
    pause_ms: _Milliseconds = 30

    def reachable(self, distance_px: int, axis: int) -> float:
        """Return the distance nearest to `distance_px` that whole presses can go, at least one press."""
        return max(1, round(distance_px / self.px_per_press[axis])) * self.px_per_press[axis]

    def move(self, send: Send, offset: Offset, _area: Rect) -> None:
        """Move the camera by `offset`, a sum of reachable distances."""
        keys = ((self.left, self.right), (self.up, self.down))
        for axis, distance in enumerate((offset.dx_px, offset.dy_px)):
            count = round(abs(distance) / self.px_per_press[axis])
            if count:
                key = keys[axis][distance > 0]
                Press(key=key, count=count, hold_ms=self.hold_ms, pause_ms=self.pause_ms).perform(send)


class DragScroll(_Action):
    """Scroll by dragging the map with a mouse button."""

    by: Literal["drag"] = "drag"
    button: _Button = 3
    camera_px_per_px: tuple[_Factor, _Factor] = (-1.0, -1.0)
    """Pixels that the camera moves for each pixel of the pointer; below 0 where the map follows the pointer."""

    def reachable(self, distance_px: int, axis: int) -> float:
        """Return the distance nearest to `distance_px` that whole pixels of the pointer can go."""
        return abs(max(1, round(distance_px / abs(self.camera_px_per_px[axis]))) * self.camera_px_per_px[axis])

    def move(self, send: Send, offset: Offset, area: Rect) -> None:
        """Move the camera by `offset`, in strokes that stay inside `area` of the screen."""
        left = [
            round(distance / factor)
            for distance, factor in zip((offset.dx_px, offset.dy_px), self.camera_px_per_px, strict=True)
        ]
        while any(left):
            stroke = [
                max(-limit, min(limit, rest))
                for rest, limit in zip(left, (area.width_px * 3 // 4, area.height_px * 3 // 4), strict=True)
            ]
            self._drag(send, stroke, area)
            left = [rest - done for rest, done in zip(left, stroke, strict=True)]

    def _drag(self, send: Send, stroke: list[int], area: Rect) -> None:
        x = area.x_px + (area.width_px - stroke[0]) // 2
        y = area.y_px + (area.height_px - stroke[1]) // 2
        for command in (
            f"mousemove {x} {y}",
            f"mousedown {self.button}",
            f"mousemove {x + stroke[0] // 2} {y + stroke[1] // 2}",
            f"mousemove {x + stroke[0]} {y + stroke[1]}",
            f"mouseup {self.button}",
        ):
            send(command)
            time.sleep(_DRAG_PAUSE_S)


Scroll = Annotated[KeyScroll | DragScroll, Field(discriminator="by")]
