"""A running OpenTTD, controlled and queried through its console."""

import contextlib
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from game_capture.grabber import Screen
from game_capture.processes import find_program
from game_capture.stage import Stage
from game_capture.staging import Staging
from imageflow_domain.errors import GameDied, GameNeverSettled, InvalidInput
from imageflow_domain.geometry import Rect, Size

_PACKAGES = "openttd openttd-opengfx xdotool xvfb"
_LOOK_S = 0.003
_OPEN_S = 3.0
_TRIES = 3
_END_S = 0.5  # the end of a process is known a moment later than its window is gone
_DONE = re.compile(r"Executing cmdline: '(.*)'")
_LOAD_FAILED = "Game Load Failed"
_STARTED = "game_start.scr"
_TOOLBAR_PX = 30
_INPUT_LINE_PX = 18
_STRIP_PX = 48  # the last four lines of output
_STRIP_WIDTH_PX = 320


class Console:
    """One game in one window that fills a display of its own; the console covers its top third for good.

    Args:
        window: The display and the game's window.
        configuration: Text of `openttd.cfg`.
        arguments: What to start with: `-g SAVEGAME`, or `-g -G SEED`.
        home: An existing folder of this game alone, which stands in for the user's own; `stop` removes it.
        staging: Which display it has, and how long it may take to answer.
    """

    def __init__(
        self, window: Size, *, configuration: str, arguments: Sequence[str], home: Path, staging: Staging
    ) -> None:
        self._window = window
        self._configuration = configuration
        self._arguments = tuple(arguments)
        self._answer_s = staging.answer_timeout_s
        self._stage = Stage(window, home=home, staging=staging)
        third_px = window.height_px // 3
        self._strip = Rect(
            x_px=0,
            y_px=third_px - _INPUT_LINE_PX - _STRIP_PX,
            width_px=min(_STRIP_WIDTH_PX, window.width_px),
            height_px=_STRIP_PX,
        )
        # Right of the console's text, below the game's toolbar.
        self._blank = Rect(
            x_px=window.width_px * 3 // 4, y_px=_TOOLBAR_PX, width_px=window.width_px // 4, height_px=third_px // 2
        )

    @property
    def home(self) -> Path:
        """The folder that the game takes for the user's own: its configuration and its screenshots are there."""
        return self._stage.home

    def start(self, *, timeout_s: float) -> None:
        """Return once the map is shown and the console is open.

        Raises `GameMissing`, `InvalidInput` where the savegame cannot be loaded, `GameDied`.
        """
        program = find_program("openttd", packages=_PACKAGES)
        home = str(self.home)
        config = self.home / "openttd.cfg"
        config.write_text(self._configuration, encoding="utf-8")
        options = ["-x", "-s", "null", "-m", "null", "-v", "sdl", "-b", "8bpp-optimized", "-d", "console=4"]
        size = f"{self._window.width_px}x{self._window.height_px}"
        self._stage.start(
            [program, "-c", str(config), *options, "-r", size, *self._arguments],
            environment=dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"), home),
        )
        self._wait(self._is_up, timeout_s, "did not show its map")
        # The game draws its own pointer: it is parked under the console.
        self._stage.send("mousemove 5 5")
        self._open()

    def command(self, text: str) -> None:
        """Type one console command; return once it is done and the screen shows its answer.

        Raises `GameDied`, and `GameNeverSettled` where the game does not answer.
        """
        for _ in range(_TRIES):
            before, count = self.strip(), len(self._answers())
            self._stage.send(f'type --delay 0 "{text}"', "key Return")
            self._wait_for_answer(count)
            # The answer is written before it is drawn: one in three pictures would still show the old place.
            self._wait_for_change(before, "did not redraw")
            if self._answers()[-1] == text:
                return
        raise GameNeverSettled(f"The game understood '{self._answers()[-1]}' instead of '{text}': start it again.")

    def grab(self, rect: Rect) -> Screen:
        """Return a part of the window; raise `GameDied`."""
        return self._stage.grab(rect)

    def strip(self) -> Screen:
        """Return the console's last lines."""
        return self._stage.grab(self._strip)

    def confirm(self, strip: Screen) -> None:
        """Raise `GameDied` unless the console still shows `strip`: a dead game's window is black, and stands still."""
        if not np.array_equal(self.strip(), strip):
            time.sleep(_END_S)
            self.check_alive()
            raise GameDied("The game's console vanished: start the game again.")

    def check_alive(self) -> None:
        """Raise `GameDied` where the game or its display has ended."""
        self._stage.check_alive()

    def stop(self) -> None:
        """End the game, its display and all that belongs to them; may be called twice."""
        self._stage.stop()

    def _open(self) -> None:
        """Press the console's key until it is open: keys typed into a closed one would play the game."""
        self._wait(lambda: not self._is_open(), self._answer_s, "did not draw its map")
        for _ in range(_TRIES):
            self._stage.send("key grave")
            with contextlib.suppress(GameNeverSettled):
                self._wait(self._is_open, _OPEN_S, "did not open its console")
                return
        raise GameNeverSettled("OpenTTD did not open its console: see that the machine is not busy.")

    def _is_open(self) -> bool:
        """Nothing but the console, or a window that is not drawn yet, has one colour all over."""
        blank = self._stage.grab(self._blank)
        return bool((blank == blank[0, 0]).all())

    def _answers(self) -> list[str]:
        return _DONE.findall(self._stage.log())

    def _is_up(self) -> bool:
        if _LOAD_FAILED in self._stage.log():
            words = self._stage.last_words()
            raise InvalidInput(f"OpenTTD cannot load this savegame ({words}): save it with this version of the game.")
        return any(_STARTED in answer for answer in self._answers())

    def _wait_for_answer(self, count: int) -> None:
        self._wait(lambda: len(self._answers()) > count, self._answer_s, "did not answer")

    def _wait_for_change(self, before: Screen, complaint: str) -> None:
        self._wait(lambda: not np.array_equal(self.strip(), before), self._answer_s, complaint)

    def _wait(self, done: Callable[[], bool], timeout_s: float, complaint: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not done():
            self.check_alive()
            if time.monotonic() > deadline:
                raise GameNeverSettled(f"OpenTTD {complaint} within {timeout_s:g} s: see that the machine is not busy.")
            time.sleep(_LOOK_S)
