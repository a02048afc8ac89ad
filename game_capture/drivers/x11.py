"""Any program that runs on X11 and scrolls by keys or mouse, described by configuration only.

It scrolls relatively: where the camera is, is dead reckoning from the place where the program starts. For example:

    command: [lincity-ng, --window, --size, "{width}x{height}"]
    environment: {HOME: "{scratch}"}
    window: [1280, 1024]
    crop: {x_px: 0, y_px: 40, width_px: 1280, height_px: 900}
    scroll: {by: keys, px_per_press: [64, 64], hold_ms: 0, pause_ms: 40}
    step: [1024, 704]
    prepare: [{key: Return}, {wait_until: {changed: true, still: true}}, {key: p}]
    home: [{key: Left, count: 60}, {key: Up, count: 60}]
    settle: {equal_grabs: 3, interval_s: 0.03, timeout_s: 10}
"""

import contextlib
import time
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from game_capture.grabber import Screen, to_rgb
from game_capture.opening import Opening
from game_capture.settle import settle
from game_capture.stage import Stage
from game_capture.staging import Staging
from game_capture.x11.actions import Pictures, perform
from game_capture.x11.parameters import X11Parameters
from game_capture.x11.program import Program, read_pictures
from game_capture.x11.scrolling import Move, middle
from imageflow_domain.errors import CaptureError, GameNeverSettled, InvalidInput
from imageflow_domain.files_beside import ReadBeside, nothing_beside
from imageflow_domain.geometry import Offset, Position, Size
from imageflow_domain.grid import Cell, Grid
from imageflow_domain.ports import Area, Capabilities

_LOOK_S = 0.1
_END_S = 0.5  # the end of a process is known a moment later than its window is gone


class X11Driver:
    """Scrolls a program from cell to cell, by whichever way is asked for.

    Args:
        staging: Each run gets a folder of its own in its scratch folder.
        read_beside: Returns a file beside the game's YAML.

    Raises `InvalidInput` where a picture that its actions name is none.
    """

    Parameters: ClassVar[type[BaseModel]] = X11Parameters
    settable: ClassVar[frozenset[str]] = frozenset({"reach_px"})
    moves_freely: ClassVar[bool] = False

    def __init__(
        self, parameters: X11Parameters, *, staging: Staging, read_beside: ReadBeside = nothing_beside
    ) -> None:
        self._parameters = parameters
        self._start_timeout_s = staging.start_timeout_s or parameters.start_timeout_s
        settle_timeout_s = staging.settle_timeout_s or parameters.settle.timeout_s
        self._settle = parameters.settle.model_copy(update={"timeout_s": settle_timeout_s})
        self._crop = parameters.map_rect
        self._pictures: Pictures = read_pictures(parameters.pictures, read_beside)
        self._program = Program(parameters, staging=staging, read_beside=read_beside)
        self._step = tuple(parameters.scroll.reachable(step, axis) for axis, step in enumerate(parameters.step))
        self._stage: Stage | None = None
        self._at = Cell(row=0, col=0)

    @classmethod
    def open(cls, parameters: X11Parameters, opening: Opening) -> Self:
        return cls(parameters, staging=opening.staging, read_beside=opening.read_beside)

    @property
    def capabilities(self) -> Capabilities:
        view = Size(width_px=self._crop.width_px, height_px=self._crop.height_px)
        return Capabilities(view=view, moves_freely=self.moves_freely, retakes=True, reach_px=self._parameters.reach_px)

    def areas(self, grid: Grid | None) -> tuple[Area, ...]:
        """Return every cell of `grid`; raise `InvalidInput` without one."""
        if grid is None:
            raise InvalidInput("This game has no grid of its own: give one with --grid.")
        return tuple(Area(cell=cell, position=self._position(cell)) for cell in grid.cells())

    def grab(self, area: Area) -> NDArray[np.uint8]:
        stage = self._running()
        self._go(stage, area.cell)
        picture = settle(lambda: stage.grab(self._crop), self._settle)
        if _is_blank(picture):
            # A dead program's window is black, and stands still.
            time.sleep(_END_S)
        stage.check_alive()
        return to_rgb(picture)

    def __enter__(self) -> Self:
        parameters = self._parameters
        with contextlib.ExitStack() as undo:
            undo.callback(self._program.stop)
            stage = self._program.start()
            x, y = middle(parameters.window_rect)
            stage.send(f"mousemove {x} {y}")  # without a window manager, keys go where the pointer is
            self._wait_until_ready(stage)
            perform(parameters.prepare, stage, self._pictures, where="prepare")
            perform(parameters.home_actions, stage, self._pictures, where="home")
            self._park(stage)
            stage.check_alive()
            undo.pop_all()
        self._stage, self._at = stage, Cell(row=0, col=0)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stage = None
        self._program.stop()

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
        window = self._parameters.window_rect
        self._parameters.scroll.move(stage.send, Move(offset=offset, to=there, crop=self._crop, window=window))
        self._park(stage)

    def _park(self, stage: Stage) -> None:
        x, y = self._parameters.resting_place
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


def _is_blank(picture: Screen) -> bool:
    return bool((picture == picture[0, 0]).all())
