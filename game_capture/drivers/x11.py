"""Any program that runs on X11 and scrolls by keys or mouse, described by configuration only.

It scrolls relatively: where the camera is, is dead reckoning from the place where the program starts. For example:

    command: [lincity-ng, --window, --size, "{width}x{height}"]
    environment: {HOME: "{scratch}"}
    window: [1280, 1024]
    crop: {x_px: 0, y_px: 40, width_px: 1280, height_px: 900}
    scroll: {by: keys, px_per_press: [64, 64], hold_ms: 0, pause_ms: 40}
    step: [1024, 704]
    prepare: [{key: Return}, {wait_s: 2}, {key: p}]
    home: [{key: Left, count: 60}, {key: Up, count: 60}]
    settle: {equal_grabs: 3, interval_s: 0.03, timeout_s: 10}
"""

import contextlib
import time
from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel

from game_capture.grabber import Screen, to_rgb
from game_capture.opening import Opening
from game_capture.processes import find_program
from game_capture.settle import settle
from game_capture.stage import Stage, own_folder
from game_capture.staging import Staging
from game_capture.windows import why_unfit
from game_capture.x11.parameters import X11Parameters
from imageflow_domain.capture import Grabbed
from imageflow_domain.errors import CaptureError, GameNeverSettled, InvalidInput, NoMap
from imageflow_domain.geometry import Offset, Position, Rect, Size
from imageflow_domain.grid import Cell, Grid
from imageflow_domain.ports import Area, Capabilities

_LOOK_S = 0.1
_END_S = 0.5  # the end of a process is known a moment later than its window is gone


class X11Driver:
    """Scrolls a program from cell to cell, by whichever way is asked for.

    Args:
        staging: Each run gets a folder of its own in its scratch folder.
    """

    Parameters: ClassVar[type[BaseModel]] = X11Parameters
    settable: ClassVar[frozenset[str]] = frozenset({"reach_px"})
    moves_freely: ClassVar[bool] = False

    def __init__(self, parameters: X11Parameters, *, staging: Staging) -> None:
        self._parameters = parameters
        self._staging = staging
        self._start_timeout_s = staging.start_timeout_s or parameters.start_timeout_s
        settle_timeout_s = staging.settle_timeout_s or parameters.settle.timeout_s
        self._settle = parameters.settle.model_copy(update={"timeout_s": settle_timeout_s})
        self._screen = Size(width_px=parameters.window[0], height_px=parameters.window[1])
        whole = Rect(x_px=0, y_px=0, width_px=self._screen.width_px, height_px=self._screen.height_px)
        self._crop = parameters.crop or whole
        self._step = tuple(parameters.scroll.reachable(step, axis) for axis, step in enumerate(parameters.step))
        self._stage: Stage | None = None
        self._at = Cell(row=0, col=0)

    @classmethod
    def open(cls, parameters: X11Parameters, opening: Opening) -> Self:
        return cls(parameters, staging=opening.staging)

    @property
    def capabilities(self) -> Capabilities:
        view = Size(width_px=self._crop.width_px, height_px=self._crop.height_px)
        return Capabilities(view=view, moves_freely=self.moves_freely, retakes=True, reach_px=self._parameters.reach_px)

    def areas(self, grid: Grid | None) -> tuple[Area, ...]:
        """Return every cell of `grid`; raise `InvalidInput` without one."""
        if grid is None:
            raise InvalidInput("This game has no grid of its own: give one with --grid.")
        return tuple(Area(cell=cell, position=self._position(cell)) for cell in grid.cells())

    def grab(self, area: Area) -> Grabbed:
        stage = self._running()
        self._go(stage, area.cell)
        picture = settle(lambda: stage.grab(self._crop), self._settle)
        if _is_blank(picture):
            # A dead program's window is black, and stands still.
            time.sleep(_END_S)
        stage.check_alive()
        return Grabbed(frame=to_rgb(picture), position=self._position(area.cell))

    def __enter__(self) -> Self:
        parameters = self._parameters
        program = find_program(parameters.command[0], packages="xvfb xdotool, and the game's own package")
        with own_folder(self._staging.scratch, "x11") as home, contextlib.ExitStack() as undo:
            stage = Stage(self._screen, home=home, staging=self._staging)
            undo.callback(stage.stop)
            stage.start(
                [program, *(self._fill(word, home) for word in parameters.command[1:])],
                environment={name: self._fill(value, home) for name, value in parameters.environment.items()},
            )
            self._wait_until_ready(stage)
            for action in (*parameters.prepare, *parameters.home):
                action.perform(stage.send)
            self._park(stage)
            stage.check_alive()
            self._check_window(stage)
            undo.pop_all()
        self._stage, self._at = stage, Cell(row=0, col=0)
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._stage is not None:
            self._stage.stop()
            self._stage = None

    def _check_window(self, stage: Stage) -> None:
        """Raise `NoMap` where the game's window does not show what is to be captured."""
        why = why_unfit(stage.windows(), self._crop, self._screen)
        if why is not None:
            whole = Rect(x_px=0, y_px=0, width_px=self._screen.width_px, height_px=self._screen.height_px)
            raise NoMap(why, picture=to_rgb(stage.grab(whole)))

    def _running(self) -> Stage:
        if self._stage is None:
            raise CaptureError("The game is not running: enter the driver first.")
        return self._stage

    def _position(self, cell: Cell) -> Position:
        return Position(x_px=cell.col * self._step[0], y_px=cell.row * self._step[1])

    def _go(self, stage: Stage, cell: Cell) -> None:
        if cell == self._at:
            stage.check_alive()
            return
        here, there = self._position(self._at), self._position(cell)
        offset = Offset(dx_px=round(there.x_px - here.x_px), dy_px=round(there.y_px - here.y_px))
        # Until the last key is sent, nobody knows where the camera is.
        self._at = cell
        self._parameters.scroll.move(stage.send, offset, self._crop)
        self._park(stage)

    def _park(self, stage: Stage) -> None:
        x, y = self._parameters.park or (self._screen.width_px - 1, self._screen.height_px - 1)
        stage.send(f"mousemove {x} {y}")
        time.sleep(self._parameters.move_wait_s)

    def _wait_until_ready(self, stage: Stage) -> None:
        """Return once the picture shows something, and stands still."""
        began = time.monotonic()
        while time.monotonic() - began < self._parameters.start_wait_s:
            stage.check_alive()
            time.sleep(_LOOK_S)
        while _is_blank(stage.grab(self._crop)):
            if time.monotonic() - began > self._start_timeout_s:
                raise GameNeverSettled(
                    f"The window stayed empty for {self._start_timeout_s:g} s: try the command by hand."
                )
            time.sleep(_LOOK_S)
        left_s = max(1.0, self._start_timeout_s - (time.monotonic() - began))
        settle(lambda: stage.grab(self._crop), self._settle.model_copy(update={"timeout_s": left_s}))

    def _fill(self, text: str, home: Path) -> str:
        for name, value in (
            ("{scratch}", str(home)),
            ("{width}", str(self._screen.width_px)),
            ("{height}", str(self._screen.height_px)),
        ):
            text = text.replace(name, value)
        return text


def _is_blank(picture: Screen) -> bool:
    return bool((picture == picture[0, 0]).all())
