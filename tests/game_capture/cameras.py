"""Cameras over a picture for a pilot: they lose presses, stop at edges, are sent by a minimap, obey late or slide."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

import numpy as np
from numpy.typing import NDArray

from game_capture.loop import Axis
from game_capture.pilot import Pilot, View
from game_capture.x11.scrolling import KeyScroll
from imageflow_domain.capture import EXACT, StoredFrame
from imageflow_domain.geometry import Position, Size
from imageflow_domain.grid import Cell
from imageflow_mosaic.movement import FrameComparer
from tests.game_capture.not_wrapping import NotWrapping

VIEW = Size(width_px=320, height_px=256)

PRESS = {Axis.X: 32.0, Axis.Y: 16.0}

HOP = {Axis.X: 224.0, Axis.Y: 176.0}

CELL = Cell(row=0, col=0)

LOOK_S = 0.1


def noise(width: int = 1600, height: int = 1200) -> NDArray[np.uint8]:
    squares = np.random.default_rng(7).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return squares.repeat(4, axis=0).repeat(4, axis=1)


WORLD = noise()


@dataclass
class Camera:
    """A camera over a picture. Presses may be lost, and the world has edges."""

    world: NDArray[np.uint8] = field(default_factory=lambda: WORLD)
    at: list[int] = field(default_factory=lambda: [320, 240])
    px: tuple[int, int] = (32, 16)
    loses: float = 0.0
    bounds: Callable[[int], tuple[int, int]] = lambda _y: (0, 1600 - VIEW.width_px)
    """Where the camera can be across, at a height."""
    dice: Random = field(default_factory=lambda: Random(3))  # noqa: S311  dice, no secret
    presses: int = 0
    now_s: float = 0.0
    """Its own time: looks and waits take what they would take, in no real time."""

    def press(self, axis: Axis, presses: int, to: Position) -> None:
        number = 0 if axis is Axis.X else 1
        for _ in range(abs(presses)):
            self.presses += 1
            if self.dice.random() < self.loses:
                continue
            there = list(self.at)
            there[number] += self.px[number] * (1 if presses > 0 else -1)
            first, last = self.bounds(there[1])
            if first <= there[0] <= last and 0 <= there[1] <= self.world.shape[0] - VIEW.height_px:
                self.at = there

    def look(self) -> View:
        self.now_s += LOOK_S
        x, y = self.at
        frame = self.world[y : y + VIEW.height_px, x : x + VIEW.width_px].copy()
        return View(frame=frame, is_settled=True)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def pilot(
    camera: Camera,
    neighbours: "Stored | None" = None,
    *,
    blind: bool = False,
    hop_px: Mapping[Axis, float] = HOP,
    view: Size = VIEW,
) -> Pilot:
    return Pilot(
        press=camera.press,
        look=camera.look,
        press_px=PRESS,
        hop_px=hop_px,
        view=view,
        names=KeyScroll(px_per_press=(PRESS[Axis.X], PRESS[Axis.Y])),
        comparer=None if blind else FrameComparer(),
        neighbours=neighbours,
        clock=lambda: camera.now_s,
        sleep=camera.sleep,
    )


def place(x_px: float, y_px: float = 0.0) -> Position:
    return Position(x_px=x_px, y_px=y_px)


class Stored(NotWrapping):
    """Stored frames, given as they are."""

    def __init__(self, *frames: StoredFrame) -> None:
        self._frames = frames
        self.asked = 0

    def near(self, cell: Cell) -> tuple[StoredFrame, ...]:
        self.asked += 1
        return self._frames


def stored(x: int, y: int, camera: Camera) -> StoredFrame:
    """Return the frame at a place of the world, whose plane begins where the first session's camera did."""
    frame = camera.world[y : y + VIEW.height_px, x : x + VIEW.width_px].copy()
    return StoredFrame(cell=CELL, frame=frame, position=place(x - 320, y - 240), uncertainty=EXACT)


@dataclass
class Minimap(Camera):
    """A camera that is sent to places by clicks, which may be lost."""

    home: tuple[int, int] = (320, 240)

    def press(self, axis: Axis, presses: int, to: Position) -> None:
        self.presses += 1
        if self.dice.random() >= self.loses:
            there = (self.home[0] + round(to.x_px), self.home[1] + round(to.y_px))
            limits = (self.world.shape[1] - VIEW.width_px, self.world.shape[0] - VIEW.height_px)
            self.at = [max(0, min(limit, place)) for limit, place in zip(limits, there, strict=True)]


@dataclass
class Late(Camera):
    """A camera that shows what presses do some seconds later."""

    late_s: float = 1.0
    waiting: list[tuple[float, Axis, int]] = field(default_factory=list)
    seen_at: tuple[int, int] = (0, 0)
    """Where the camera was at the last look."""

    def press(self, axis: Axis, presses: int, to: Position) -> None:
        for _ in range(abs(presses)):
            self.waiting.append((self.now_s + self.late_s, axis, 1 if presses > 0 else -1))

    def look(self) -> View:
        seen_s = self.now_s + LOOK_S
        due = [one for one in self.waiting if one[0] <= seen_s]
        self.waiting = [one for one in self.waiting if one[0] > seen_s]
        for _, axis, press in due:
            super().press(axis, press, place(0))
        self.seen_at = (self.at[0] - 320, self.at[1] - 240)
        return super().look()


@dataclass
class Slanting(Camera):
    """A large view, and a world that ends in a slant, along which a camera slides that is pressed against it."""

    view: Size = field(default_factory=lambda: Size(width_px=640, height_px=512))

    def press(self, axis: Axis, presses: int, to: Position) -> None:
        number = 0 if axis is Axis.X else 1
        for _ in range(abs(presses)):
            self.at[number] += self.px[number] * (1 if presses > 0 else -1)
            past = self.at[1] - self.at[0] // 2 - 160
            if past > 0:
                self.at = [self.at[0] + past * number, self.at[1] - (past // 2 if number else past)]

    def look(self) -> View:
        x, y = self.at
        frame = self.world[y : y + self.view.height_px, x : x + self.view.width_px].copy()
        return View(frame=frame, is_settled=True)


SNAKE = [place(col * 224, row * 176) for row in range(3) for col in (range(4) if row % 2 == 0 else reversed(range(4)))]
