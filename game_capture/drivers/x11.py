"""Any program that runs on X11 and scrolls by keys or mouse, described by configuration only.

It scrolls relatively: where the camera is, is counted from the place where the program starts, and corrected by what is
seen (`loop`). For example:

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
from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Self

from pydantic import BaseModel
from typing_extensions import override

from game_capture.beyond import Beyond
from game_capture.circling import Circling
from game_capture.grabber import to_rgb
from game_capture.loop import Axis
from game_capture.opening import Opening
from game_capture.pilot import Pilot, Reached, View
from game_capture.settle import SettleRule, never_settled, settle, watch
from game_capture.stage import Stage
from game_capture.staging import Staging
from game_capture.windows import why_unfit
from game_capture.x11.actions import Pictures, perform
from game_capture.x11.appearing import is_blank, wait_until_shown
from game_capture.x11.parameters import X11Parameters
from game_capture.x11.program import Program, read_pictures
from game_capture.x11.scrolling import Move, middle
from imageflow_domain.capture import EXACT, AreaState, Grabbed, Turn, Uncertainty
from imageflow_domain.errors import CaptureError, GameDied, GameNeverSettled, InvalidInput, NoMap
from imageflow_domain.files_beside import ReadBeside, nothing_beside
from imageflow_domain.geometry import Position, Size
from imageflow_domain.grid import Cell, Grid
from imageflow_domain.ports import Area, Capabilities, Comparer, GameDriver, StoredFrames

_LOOK_S = 0.1
_NUMBERS = {Axis.X: 0, Axis.Y: 1}
_POINTER_S = 2.0
"""How long a game may take to put the pointer back where a drag began."""
_SAME_PX = 16
"""Areas that lie no farther apart show the same."""
_END_S = 10.0
"""The end of a process is known a moment later than its window is gone; on a busy machine, seconds."""

_CALM = SettleRule(equal_grabs=11, interval_s=0.05, timeout_s=3.0)
"""A loading screen stands still for a moment, and changes again; a game that never stands still is taken as it is."""


class X11Driver(GameDriver):
    """Scrolls a program from cell to cell, by the configured way.

    Args:
        staging: Each run gets a folder of its own in its scratch folder.
        comparer: Sees how far the camera moved; without it positions are dead reckoning.
        neighbours: Frames of the survey that are stored already.
        read_beside: Returns a file beside the game's YAML.

    Raises `InvalidInput` where a picture that its actions name is none, or `beyond` names one of the land.
    """

    Parameters: ClassVar[type[BaseModel]] = X11Parameters
    settable: ClassVar[frozenset[str]] = frozenset({"reach_px"})
    moves_freely: ClassVar[bool] = False

    def __init__(
        self,
        parameters: X11Parameters,
        *,
        staging: Staging,
        comparer: Comparer | None = None,
        neighbours: StoredFrames | None = None,
        read_beside: ReadBeside = nothing_beside,
    ) -> None:
        self._parameters = parameters
        self._comparer, self._neighbours = comparer, neighbours
        self._patience_s = staging.start_timeout_s or 0.0
        self._start_timeout_s = staging.start_timeout_s or parameters.start_timeout_s
        settle_timeout_s = staging.settle_timeout_s or parameters.settle.timeout_s
        self._settle = parameters.settle.model_copy(update={"timeout_s": settle_timeout_s})
        self._crop = parameters.map_rect
        self._pictures: Pictures = read_pictures(parameters.pictures, read_beside)
        beyond = parameters.beyond
        self._beyond = Beyond(None) if beyond is None else Beyond(self._pictures[beyond], beyond)
        self._program = Program(parameters, staging=staging, read_beside=read_beside)
        self._step = tuple(parameters.scroll.reachable(step, axis) for axis, step in enumerate(parameters.step))
        self._stage: Stage | None = None
        self._pilot: Pilot | None = None
        self._circling: Circling | None = None
        self._has_known_window = False
        self._taken: dict[Cell, Position] = {}
        """Where areas were seen, in the plane of this start of the game."""

    @classmethod
    def open(cls, parameters: X11Parameters, opening: Opening) -> Self:
        """Return a driver that has started nothing yet.

        Raises `InvalidInput` or `NotFound` where a picture that the YAML names is missing or unfit.
        """
        return cls(
            parameters,
            staging=opening.staging,
            comparer=opening.comparer,
            neighbours=opening.neighbours,
            read_beside=opening.read_beside,
        )

    @property
    @override
    def capabilities(self) -> Capabilities:
        view = Size(width_px=self._crop.width_px, height_px=self._crop.height_px)
        return Capabilities(
            view=view,
            moves_freely=self.moves_freely,
            retakes=True,
            reach_px=self._parameters.reach_px,
            moves_step_by_step=True,
        )

    @override
    def areas(self, grid: Grid | None) -> tuple[Area, ...]:
        """Return every cell of `grid`; raise `InvalidInput` without one."""
        if grid is None:
            raise InvalidInput("This game has no grid of its own: give one with --grid.")
        return tuple(Area(cell=cell, position=self._position(cell)) for cell in grid.cells())

    @override
    def grab(self, area: Area) -> Grabbed:
        """Return what an area shows; it is outside where the world ends before it or none of its land shows."""
        stage, pilot = self._running(), self._sailing()
        stage.check_alive()
        to, circling = area.position or self._position(area.cell), self._circling
        if circling is not None and circling.is_past(area.cell, to):
            return Grabbed(frame=None, position=None, state=AreaState.OUTSIDE)
        pilot.turn = Turn() if circling is None else circling.turn
        with self._shown(stage):
            reached = (circling or pilot).go(area.cell, to)
        is_past = circling is not None and circling.is_past(area.cell, to)
        state = AreaState.OUTSIDE if is_past else self._state(area.cell, reached)
        is_settled = reached.view.is_settled
        if state is AreaState.TAKEN and not is_settled:
            if self._settle.on_timeout == "fail":
                raise GameNeverSettled(never_settled(self._settle), picture=reached.view.frame.copy())
            state = AreaState.HOLE if self._settle.on_timeout == "hole" else state
        is_taken = state is AreaState.TAKEN
        if is_taken:
            self._taken[area.cell] = reached.position
        return Grabbed(
            frame=reached.view.frame.copy() if is_taken else None,
            position=reached.position if is_taken else None,
            uncertainty=reached.uncertainty if is_taken else None,
            state=state,
            is_settled=is_settled,
            session_offset=reached.offset,
            turn=None if circling is None else circling.learnt,
        )

    def _state(self, cell: Cell, reached: Reached) -> AreaState:
        if self._beyond.shown_in(reached.view.frame):
            return AreaState.OUTSIDE
        if reached.is_there:
            return AreaState.TAKEN
        if reached.is_at_edge:
            is_new = not (self._is_taken_elsewhere(cell, reached) or self._is_planned_elsewhere(cell, reached))
            return AreaState.TAKEN if is_new else AreaState.OUTSIDE
        return AreaState.HOLE if self._is_taken_elsewhere(cell, reached) else AreaState.TAKEN

    def _is_taken_elsewhere(self, cell: Cell, reached: Reached) -> bool:
        """Whether this start of the game took another area at the same place."""
        same, at = self._same(reached), reached.position
        return any(other != cell and same.allows(place, at) for other, place in self._taken.items())

    def _is_planned_elsewhere(self, cell: Cell, reached: Reached) -> bool:
        """Whether the survey has another area at the same place: a row may begin beyond the edge, and lead back."""
        if self._neighbours is None or reached.offset is None:
            return False
        return self._neighbours.has_other(cell, reached.position + reached.offset, self._same(reached))

    def _same(self, reached: Reached) -> Uncertainty:
        """How far places may lie apart that show the same, as far as it is sure where the camera is."""
        if reached.uncertainty == EXACT:
            return Uncertainty(x_px=_SAME_PX, y_px=_SAME_PX)
        x_px, y_px = (max(_SAME_PX, self._unit(axis) / 2) for axis in Axis)
        return Uncertainty(x_px=x_px, y_px=y_px)

    def __enter__(self) -> Self:
        parameters = self._parameters
        with contextlib.ExitStack() as undo:
            undo.callback(self._program.abandon)
            stage = self._program.start()
            x, y = middle(parameters.window_rect)
            stage.send(f"mousemove {x} {y}")  # without a window manager, keys go where the pointer is
            with self._shown(stage):
                self._wait_until_ready(stage)
                for where, actions in (("prepare", parameters.prepare), ("home", parameters.home_actions)):
                    perform(actions, stage, self._pictures, where=where, least_timeout_s=self._patience_s)
            self._park(stage)
            stage.check_alive()
            self._check_window(stage)
            undo.pop_all()
        self._stage, self._taken = stage, {}
        self._pilot = Pilot(
            press=partial(self._press, stage),
            look=partial(self._look, stage),
            press_px={axis: self._unit(axis) for axis in Axis},
            hop_px={Axis.X: self._step[0], Axis.Y: self._step[1]},
            view=self.capabilities.view,
            names=parameters.scroll,
            comparer=self._comparer,
            neighbours=self._neighbours,
        )
        if self._comparer is not None and self._neighbours is not None:
            self._circling = Circling(
                self._pilot.go,
                step=self._position(Cell(row=1, col=1)),
                view=self.capabilities.view,
                comparer=self._comparer,
                stored=self._neighbours,
            )
        return self

    def __exit__(self, failed: object = None, *_: object) -> None:
        self._stage = self._pilot = self._circling = None
        if failed is None:
            self._program.stop()
        else:
            self._program.abandon()

    def _check_window(self, stage: Stage) -> None:
        """Raise `NoMap` where the game's window does not show what is to be captured."""
        asked = self._parameters.window_rect
        windows = stage.windows()
        self._has_known_window = bool(windows)
        why = why_unfit(windows, self._crop, Size(width_px=asked.width_px, height_px=asked.height_px))
        if why is not None:
            raise NoMap(why, picture=to_rgb(stage.grab(stage.screen)))

    @contextlib.contextmanager
    def _shown(self, stage: Stage) -> Iterator[None]:
        """Let an error of the body carry what the display shows; an unfit window is the reason for most others."""
        try:
            yield
        except CaptureError as error:
            if error.picture is None and not isinstance(error, GameDied):
                self._check_window(stage)
                error.picture = to_rgb(stage.grab(stage.screen))
            raise

    def _check_window_is_there(self, stage: Stage) -> None:
        """Raise `GameDied` where a display is plain because the game's window is gone.

        A game may show one colour, too: beyond its world's edge. Where the display never listed a window, only
        the process is checked.
        """
        deadline = time.monotonic() + _END_S
        while self._has_known_window and not stage.windows():
            stage.check_alive()
            if time.monotonic() > deadline:
                raise GameDied("The game's window is gone: start it again.", picture=stage.last_seen())
            time.sleep(_LOOK_S)

    def _running(self) -> Stage:
        if self._stage is None:
            raise CaptureError("The game is not running: enter the driver first.")
        return self._stage

    def _position(self, cell: Cell) -> Position:
        return Position(x_px=cell.col * self._step[0], y_px=cell.row * self._step[1])

    def _sailing(self) -> Pilot:
        if self._pilot is None:
            raise CaptureError("The game is not running: enter the driver first.")
        return self._pilot

    def _unit(self, axis: Axis) -> float:
        """Pixels of one press, as configured."""
        return self._parameters.scroll.unit_px(_NUMBERS[axis])

    def _press(self, stage: Stage, axis: Axis, presses: int, to: Position) -> None:
        units = (presses, 0) if axis is Axis.X else (0, presses)
        window = self._parameters.window_rect
        self._parameters.scroll.move(stage.send, Move(units=units, to=to, crop=self._crop, window=window))
        self._park(stage)
        if self._parameters.scroll.moves_pointer:
            rule = self._settle.model_copy(update={"timeout_s": min(_POINTER_S, self._settle.timeout_s)})
            watch(lambda: stage.grab(self._crop), rule)
            self._park(stage)

    def _look(self, stage: Stage) -> View:
        watched = watch(lambda: stage.grab(self._crop), self._settle)
        if is_blank(watched.picture):
            self._check_window_is_there(stage)
        stage.check_alive()
        return View(frame=to_rgb(watched.picture), is_settled=watched.is_settled)

    def _park(self, stage: Stage) -> None:
        x, y = self._parameters.resting_place
        stage.send(f"mousemove {x} {y}")
        time.sleep(self._parameters.move_wait_s)

    def _wait_until_ready(self, stage: Stage) -> None:
        """Return once the picture shows something, and stands still, where `prepare` does not say what to wait for."""
        began = time.monotonic()
        wait_until_shown(stage, self._crop, wait_s=self._parameters.start_wait_s, timeout_s=self._start_timeout_s)
        if self._parameters.begins_by_waiting:
            return
        left_s = max(1.0, self._start_timeout_s - (time.monotonic() - began))
        settle(lambda: stage.grab(self._crop), self._settle.model_copy(update={"timeout_s": left_s}))
        watch(lambda: stage.grab(self._crop), _CALM.model_copy(update={"ignored": self._settle.ignored}))
