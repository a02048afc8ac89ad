"""A running OpenTTD that is told what to do through its console, and asked whether it has done it."""

import os
import re
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from game_capture.display import Display
from game_capture.grabber import Grabber, Screen
from game_capture.processes import Leashed, find_program
from game_capture.xdotool import Xdotool
from imageflow_domain.errors import GameDied, GameNeverSettled, InvalidInput
from imageflow_domain.geometry import Rect, Size

_PACKAGES = "openttd openttd-opengfx xdotool xvfb"
_LOOK_S = 0.003
_ANSWER_S = 10.0
_TYPINGS = 3
_DONE = re.compile(r"Executing cmdline: '(.*)'")
_LOAD_FAILED = "Game Load Failed"
_STARTED = "game_start.scr"
_INPUT_LINE_PX = 18
_STRIP_PX = 48  # the last four lines of output
_STRIP_WIDTH_PX = 320


class Console:
    """One game in one window that fills a display of its own; the console covers its top third for good.

    Args:
        window: The display and the game's window.
        configuration: Text of `openttd.cfg`.
        arguments: What to start with: `-g SAVEGAME`, or `-g -G SEED`.
        scratch: An existing folder of this game alone; it stands in for the user's home.
    """

    def __init__(self, window: Size, *, configuration: str, arguments: Sequence[str], scratch: Path) -> None:
        self._window = window
        self._configuration = configuration
        self._arguments = tuple(arguments)
        self.home = scratch
        self._display = Display(window, scratch=scratch)
        self._game: Leashed | None = None
        self._keys: Xdotool | None = None
        self._grabber: Grabber | None = None
        third_px = window.height_px // 3
        self._strip = Rect(
            x_px=0,
            y_px=third_px - _INPUT_LINE_PX - _STRIP_PX,
            width_px=min(_STRIP_WIDTH_PX, window.width_px),
            height_px=_STRIP_PX,
        )

    def start(self, *, timeout_s: float) -> None:
        """Return once the map is shown and the console is open.

        Raises `GameMissing`, `InvalidInput` where the savegame cannot be loaded, `GameDied`.
        """
        program = find_program("openttd", packages=_PACKAGES)
        find_program("xdotool", packages=_PACKAGES)
        config = self.home / "openttd.cfg"
        config.write_text(self._configuration, encoding="utf-8")
        self._display.start()
        options = ["-x", "-s", "null", "-m", "null", "-v", "sdl", "-b", "8bpp-optimized", "-d", "console=4"]
        size = f"{self._window.width_px}x{self._window.height_px}"
        self._game = Leashed(
            [program, "-c", str(config), *options, "-r", size, *self._arguments],
            log=self.home / "game.log",
            environment={**os.environ, **self._private_folders(), **self._display.environment},
            folder=self.home,
        )
        self._wait(self._is_up, timeout_s, "did not show its map")
        self._keys = Xdotool(self._display)
        self._grabber = Grabber(self._display)
        # The game draws its own pointer: it is parked under the console.
        self._keys.send("mousemove 5 5")
        before = self.grab(self._strip)
        self._keys.send("key grave")
        self._wait(lambda: self._strip_changed(before), _ANSWER_S, "did not open its console")

    def command(self, text: str) -> None:
        """Type one console command; return once it is done and the screen shows its answer.

        Raises `GameDied`, and `GameNeverSettled` where the game does not answer.
        """
        assert self._keys is not None  # noqa: S101  start was called
        for _ in range(_TYPINGS):
            before, count = self.grab(self._strip), len(self._answers())
            self._keys.send(f'type --delay 0 "{text}"', "key Return")
            self._wait(lambda seen=count: len(self._answers()) > seen, _ANSWER_S, "did not answer")  # type: ignore[misc]  # a default binds early
            # The answer is written before it is drawn: three in ten pictures would still show the old place.
            self._wait(lambda strip=before: self._strip_changed(strip), _ANSWER_S, "did not redraw")  # type: ignore[misc]  # a default binds early
            if self._answers()[-1] == text:
                return
        raise GameNeverSettled(f"The game understood '{self._answers()[-1]}' instead of '{text}': start it again.")

    def grab(self, rect: Rect) -> Screen:
        """Return a part of the window; raise `GameDied`."""
        assert self._grabber is not None  # noqa: S101  start was called
        self.check_alive()
        return self._grabber.grab(rect)

    def confirm(self, strip: Screen) -> None:
        """Raise `GameDied` unless the console still shows `strip`: a dead game's window is black, and stands still."""
        if not np.array_equal(self.strip(), strip):
            time.sleep(0.5)  # the end of a process is known a moment later than seen
            self.check_alive()
            raise GameDied("The game's console vanished: start the game again.")

    def strip(self) -> Screen:
        """Return the console's last lines."""
        return self.grab(self._strip)

    def check_alive(self) -> None:
        """Raise `GameDied` where the game or its display has ended."""
        if self._game is None or not self._game.running:
            words = self._game.last_words() if self._game else ""
            raise GameDied(f"OpenTTD ended{f' ({words})' if words else ''}: start it again.")
        if not self._display.running:
            raise GameDied("The game's display ended: start the game again.")

    def stop(self) -> None:
        """End the game, its display and all that belongs to them; may be called twice."""
        for part in (self._keys, self._grabber):
            if part is not None:
                part.close()
        if self._game is not None:
            self._game.stop()
        self._display.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _private_folders(self) -> dict[str, str]:
        home = str(self.home)
        return {"HOME": home, "XDG_CONFIG_HOME": home, "XDG_DATA_HOME": home, "XDG_CACHE_HOME": home}

    def _log(self) -> str:
        return (self.home / "game.log").read_text(encoding="utf-8", errors="replace")

    def _answers(self) -> list[str]:
        return _DONE.findall(self._log())

    def _is_up(self) -> bool:
        if _LOAD_FAILED in self._log():
            words = self._game.last_words() if self._game else ""
            raise InvalidInput(f"OpenTTD cannot load this savegame ({words}): save it with this version of the game.")
        return any(_STARTED in answer for answer in self._answers())

    def _strip_changed(self, before: Screen) -> bool:
        return not np.array_equal(self.grab(self._strip), before)

    def _wait(self, done: Callable[[], bool], timeout_s: float, complaint: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not done():
            self.check_alive()
            if time.monotonic() > deadline:
                raise GameNeverSettled(f"OpenTTD {complaint} within {timeout_s:g} s: see that the machine is not busy.")
            time.sleep(_LOOK_S)
