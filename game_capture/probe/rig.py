"""A started program whose camera is tried out: what is sent to it, and what its window then shows."""

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from game_capture.grabber import Screen, to_rgb
from game_capture.loop import Axis
from game_capture.probe.settling import Settling, settling_of
from game_capture.probe.step_pictures import StepPictures
from game_capture.probe.ways import Way
from game_capture.stage import Stage
from game_capture.staging import Staging
from game_capture.standing import SQUARE_PX
from game_capture.windows import game_window, why_unfit
from game_capture.x11.actions import Action, Click, Drag, Wheel, perform
from game_capture.x11.appearing import wait_until_shown
from game_capture.x11.parameters import X11Parameters
from game_capture.x11.program import Program, read_pictures
from game_capture.x11.scrolling import EdgeScroll, Move, middle
from game_capture.x11.words import Place
from imageflow_domain.errors import CaptureError, GameDied, GameNeverSettled, NoMap
from imageflow_domain.files_beside import ReadBeside
from imageflow_domain.geometry import Position, Rect, Size

Picture = NDArray[np.uint8]
"""RGB, shape (height, width, 3)."""

_LOOK_S = 0.03
_PATIENCE_S = 6.0
_RESTLESS_SHARE = 0.5
"""Of a picture that changes by itself: then nothing is to be waited for but time."""

_RESTLESS_PATIENCE_S = 1.5
_START_PATIENCE_S = 10.0
_BEGUN_SHARE = 0.02
"""The share of a picture that changes when a camera begins to move."""

_FLICKER_S = 1.0
_MOST_FLICKER = 0.25
"""Share of a picture that may change from one grab to the next while the camera stands: more is a camera that moves."""

_FLICKER_SLACK = 1.5

_SPARSE = 2
"""Every this many rows and columns, one is compared to see whether a picture changes."""


class OtherWindow(NoMap):
    """The program's window has another size or place than configured, or does not show all of the crop."""

    def __init__(self, said: str, *, picture: Picture, window: Rect) -> None:
        self.window = window
        """On the display."""
        super().__init__(said, picture=picture)


class Rig:
    """One program under trial. A context manager: leaving it ends the program.

    Args:
        parameters: How it is started and prepared; of its `scroll`, only a minimap's first place is used.
        pictures: Receives what is shown after each step of the first start.
        tell: Takes how many steps of the first start are done, and of how many.
    """

    def __init__(
        self,
        parameters: X11Parameters,
        *,
        staging: Staging,
        read_beside: ReadBeside,
        pictures: StepPictures,
        tell: Callable[[int, int], None] = lambda _done, _of: None,
    ) -> None:
        self._parameters, self._tell = parameters, tell
        self._staging, self._read_beside = staging, read_beside
        self._actions_pictures = read_pictures(parameters.pictures, read_beside)
        self._step_pictures = pictures
        self._program: Program | None = None
        self._stage: Stage | None = None
        self._is_first, self._done = True, 0
        self.window = parameters.window_rect
        """On the display, as configured."""
        self.crop = parameters.map_rect
        """Where drags begin, and the pointer rests between pushes at the edge: on the display."""
        self.park: Place = parameters.resting_place
        """Where the pointer rests after each move."""
        self.lag_s = 1.5
        """From a move until the picture surely shows its begin."""
        self.still_s = 0.25
        """How long a picture must stand still to be settled."""
        self.calm: NDArray[np.bool_] | None = None
        """Pixels of the window that stand still while the camera rests; `None`: all."""
        self._patience_s = _PATIENCE_S
        self.flicker_share = 0.0
        """Share of the window that may differ from one grab to the next wherever the camera stands, such as water."""
        self._sent_to = Position(x_px=0, y_px=0)
        """Where the camera was sent last, in units from its first place."""
        self.late_s = 0.0
        """From the end of a start until the program shows what it shows then: each start waits so long."""
        self._started_s = 0.0
        self.starts: list[Picture] = []
        """What the window showed at the end of each start, before the pointer went where it rests."""
        self.stood_at_start = False
        """Whether the last of these stood still."""
        self.was_restless = False
        """Whether the first picture after the start kept changing."""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            undo.push(self.__exit__)
            self.restart()
            undo.pop_all()
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        program, self._program, self._stage = self._program, None, None
        if program is not None and failed is None:
            program.stop()
        elif program is not None:
            program.abandon()

    def restart(self) -> None:
        """Start the program, anew where it runs, prepare it, and bring the camera to its first area.

        Raises:
            CaptureError: As the driver does, naming the last picture.
        """
        self.__exit__(None)
        parameters = self._parameters
        self._program = Program(parameters, staging=self._staging, read_beside=self._read_beside)
        stage = self._stage = self._program.start()
        try:
            self._prepare(stage)
        except (GameDied, GameNeverSettled) as error:
            raise type(error)(f"{error} {self._seen(stage)}") from error
        if self._is_first:
            self._tell(self._steps, self._steps)
        self._is_first = False
        self._started_s = time.monotonic()
        self._sent_to = Position(x_px=0, y_px=0)

    def _prepare(self, stage: Stage) -> None:
        parameters = self._parameters
        x, y = middle(self.window)
        stage.send(f"mousemove {x} {y}")
        began = time.monotonic()
        timeout_s = self._staging.start_timeout_s or parameters.start_timeout_s
        wait_until_shown(stage, self.crop, wait_s=parameters.start_wait_s, timeout_s=timeout_s)
        if not parameters.begins_by_waiting:
            patience_s = max(1.0, min(_START_PATIENCE_S, timeout_s - (time.monotonic() - began)))
            _, is_still = self._wait_until_still(stage, patience_s)
            self.was_restless = self.was_restless or (self._is_first and not is_still)
        self._save(stage, "start", "after the start")
        for where, actions in (("prepare", parameters.prepare), ("home", parameters.home_actions)):
            patience_s = self._staging.start_timeout_s or 0.0
            pictures = self._actions_pictures
            perform(actions, stage, pictures, where=where, least_timeout_s=patience_s, done=self._saved)
        # what the last step does may begin late, as a click on a minimap on a busy machine does
        time.sleep(max(self.late_s, self.lag_s if self._steps else 0.0))
        screen, self.stood_at_start = self._wait_until_still(stage, _RESTLESS_PATIENCE_S)
        self.starts.append(to_rgb(screen))
        self._park(stage)
        stage.check_alive()
        if self._is_first:
            asked = Size(width_px=self.window.width_px, height_px=self.window.height_px)
            windows = stage.windows()
            why = why_unfit(windows, self.crop, asked)
            if why is not None:
                shown = to_rgb(stage.grab(stage.screen))
                raise OtherWindow(f"{why} {self._seen(stage)}", picture=shown, window=game_window(windows))

    @property
    def up_s(self) -> float:
        """How long ago the program was prepared."""
        return time.monotonic() - self._started_s

    def go(self, way: Way, axis: Axis, units: int) -> None:
        """Scroll by so many units, below 0 to the left and up.

        Raises:
            GameDied: Where the program ends.
            PositionUnreachable: Where that leads beyond a minimap.
        """
        stage = self._running()
        both = (units, 0) if axis is Axis.X else (0, units)
        to = Position(x_px=self._sent_to.x_px + both[0], y_px=self._sent_to.y_px + both[1])
        way.scroll.move(stage.send, Move(units=both, to=to, crop=self.crop, window=self.window))
        self._sent_to = to
        if not isinstance(way.scroll, EdgeScroll):  # that one ends in the middle of the crop
            self._park(stage)

    def look(self, before: Picture | None = None) -> Picture:
        """Return what the window shows once it stands still; raise `GameDied`.

        Args:
            before: What it showed before a move: as long as it shows the same, the move may still have to begin.
        """
        began = time.monotonic()
        if before is None:
            time.sleep(self.lag_s)
        else:
            last = _sparse_of(before)
            while time.monotonic() - began < self.lag_s:
                begun_share = max(_BEGUN_SHARE, self.flicker_share)
                if self._changed_share(last, _sparse(self._running().grab(self.window))) > begun_share:
                    break
                time.sleep(_LOOK_S)
        return to_rgb(self._wait_until_still(self._running(), self._patience_s)[0])

    def watch(self, before: Picture, for_s: float) -> tuple[Picture, Settling]:
        """Return what the window shows in the end, and how it came to stand still; raise `GameDied`.

        Args:
            before: What it showed before the move.
            for_s: How long it is watched at least.
        """
        stage = self._running()
        began = time.monotonic()
        last = _sparse_of(before)
        shares: list[tuple[float, float]] = []
        while True:
            at_s = time.monotonic() - began
            screen = stage.grab(self.window)
            now = _sparse(screen)
            shares.append((at_s, self._changed_share(last, now)))
            last = now
            changed_s = max((at for at, share in shares if share > self.flicker_share), default=0.0)
            is_over = at_s > for_s + self._patience_s
            if is_over:
                self._learn_flicker(shares)
            if is_over or (at_s > for_s and at_s - changed_s > self.still_s):
                return to_rgb(screen), settling_of([(at, share > self.flicker_share) for at, share in shares])
            time.sleep(_LOOK_S / 3)

    def rest(self, for_s: float, grabs: int) -> Sequence[Picture]:
        """Return so many pictures of the window, spread over a time in which nothing is sent."""
        pictures = []
        for _ in range(grabs):
            pictures.append(to_rgb(self._running().grab(self.window)))
            time.sleep(for_s / grabs)
        return pictures

    def ignore(self, squares: NDArray[np.bool_]) -> None:
        """Take changes of these squares of the window as none from now on, where they are not most of it.

        A picture of which most never stands still is given time instead.
        """
        is_restless = squares.mean() > _RESTLESS_SHARE
        self._patience_s = _RESTLESS_PATIENCE_S if is_restless else _PATIENCE_S
        if is_restless or not squares.any():
            self.calm = None
            return
        calm = np.ones((self.window.height_px, self.window.width_px), np.bool_)
        spread = squares.repeat(SQUARE_PX, axis=0).repeat(SQUARE_PX, axis=1)
        calm[: spread.shape[0], : spread.shape[1]] &= ~spread
        self.calm = np.ascontiguousarray(calm[::_SPARSE, ::_SPARSE])

    def save(self, picture: Picture, name: str, caption: str) -> None:
        """Write a picture of the window beside those of the steps."""
        self._step_pictures.save(picture, name, caption)

    def _running(self) -> Stage:
        if self._stage is None:
            raise CaptureError("The game is not running: enter the rig first.")
        return self._stage

    def _park(self, stage: Stage) -> None:
        x, y = self.park
        stage.send(f"mousemove {x} {y}")

    def _wait_until_still(self, stage: Stage, patience_s: float) -> tuple[Screen, bool]:
        """Return the last picture, and whether the camera was seen to stand."""
        began = since = time.monotonic()
        screen = stage.grab(self.window)
        last = _sparse(screen)
        shares: list[tuple[float, float]] = []
        while time.monotonic() - since < self.still_s:
            if time.monotonic() - began > patience_s:
                self._learn_flicker(shares)
                return screen, False
            time.sleep(_LOOK_S)
            screen = stage.grab(self.window)
            now = _sparse(screen)
            shares.append((time.monotonic() - began, self._changed_share(last, now)))
            if shares[-1][1] > self.flicker_share:
                since = time.monotonic()
            last = now
        return screen, True

    def _learn_flicker(self, shares: Sequence[tuple[float, float]]) -> None:
        """Take what changes little and on and on for what changes by itself, so that it is waited for only once."""
        most = max((share for at_s, share in shares if at_s > shares[-1][0] - _FLICKER_S), default=0.0)
        if most <= _MOST_FLICKER:
            self.flicker_share = max(self.flicker_share, min(_MOST_FLICKER, _FLICKER_SLACK * most))

    def _changed_share(self, one: NDArray[np.uint32], other: NDArray[np.uint32]) -> float:
        changed = one != other
        return float((changed if self.calm is None else changed & self.calm).mean())

    @property
    def _steps(self) -> int:
        return len(self._parameters.prepare) + len(self._parameters.home_actions)

    def _saved(self, where: str, action: Action) -> None:
        if self._is_first and where.count(".") == 1:  # not a step within a step
            self._done += 1
            self._tell(self._done, self._steps)
        self._save(self._running(), f"{where}-{_words(action)}", f"{where}: {_words(action)}", _places(action))

    def _save(self, stage: Stage, name: str, caption: str, marks: tuple[tuple[int, int], ...] = ()) -> None:
        if self._is_first:
            self._step_pictures.save(to_rgb(stage.grab(stage.screen)), name, caption, marks)

    def _seen(self, stage: Stage) -> str:
        """Save what is shown where a step fails, as far as it can be, and say which picture is the last."""
        try:
            path = self._step_pictures.save(to_rgb(stage.grab(stage.screen)), "failed", "where it failed")
        except GameDied:
            if self._step_pictures.last is None:
                return "Nothing was shown until then."
            path = self._step_pictures.last
        return f"The last picture is '{path}'."


def _sparse(screen: Screen) -> NDArray[np.uint32]:
    whole = np.ascontiguousarray(screen[::_SPARSE, ::_SPARSE])
    pixels: NDArray[np.uint32] = whole.view(np.uint32)[..., 0] & np.uint32(0xFFFFFF)
    return pixels


def _sparse_of(picture: Picture) -> NDArray[np.uint32]:
    return _sparse(np.dstack((picture[..., ::-1], np.zeros(picture.shape[:2], np.uint8))))


def _words(action: Action) -> str:
    """Return an action in a few words: what it is, and its first setting."""
    word = next(iter(type(action).model_fields))
    value = getattr(action, word)
    if isinstance(value, tuple):
        return f"click {value[0]},{value[1]}" if isinstance(action, Click) else f"{word} {value[0]},{value[1]}"
    return f"{word} {value}" if isinstance(value, str | float | int) else word


def _places(action: Action) -> tuple[tuple[int, int], ...]:
    match action:
        case Click():
            return (action.at,)
        case Drag():
            return (action.drag, action.to)
        case Wheel() if action.at is not None:
            return (action.at,)
        case _:
            return ()
