"""One program on a display that is its alone, with its keys, its mouse and its pixels, and an end for all together."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from game_capture.display import Display, PrivateDisplay
from game_capture.given_display import GivenDisplay
from game_capture.grabber import Grabber, Screen
from game_capture.processes import Leashed
from game_capture.staging import Staging
from game_capture.windows import windows_on
from game_capture.xdotool import Xdotool
from imageflow_domain.errors import GameDied, Unavailable
from imageflow_domain.geometry import Rect, Size


@contextlib.contextmanager
def own_folder(scratch: Path, prefix: str) -> Iterator[Path]:
    """Make a folder for one run inside `scratch`; what cannot be written while it is set up becomes `Unavailable`."""
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        yield Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=scratch)).resolve()
    except OSError as error:
        reason = error.strerror or str(error)
        raise Unavailable(
            f"The game cannot be set up in '{scratch}' ({reason}): see that it can be written."
        ) from error


class Stage:
    """A display on which one program is running, or was.

    Args:
        screen: The display's size.
        home: An existing folder for this run alone, in the staging's scratch folder; `stop` removes it.
        staging: Which display it is.
    """

    def __init__(self, screen: Size, *, home: Path, staging: Staging) -> None:
        self.home = home
        self._log = home / "game.log"
        self._display = _display_of(staging, screen, home)
        self._game: Leashed | None = None
        self._keys: Xdotool | None = None
        self._grabber: Grabber | None = None

    def start(self, command: Sequence[str], *, environment: Mapping[str, str]) -> None:
        """Start the display, then the program; `environment` adds to this process's own.

        Raises `GameMissing` without Xvfb or xdotool, `Unavailable` or `InvalidInput` where a given display is
        not to be had or not fit, and `GameDied`.
        """
        self._display.start()
        self._keys = Xdotool(self._display)
        self._grabber = Grabber(self._display)
        self._game = Leashed(
            command,
            log=self._log,
            environment={**os.environ, **environment, **self._display.environment},
            folder=self.home,
        )

    def send(self, *commands: str) -> None:
        """Hand xdotool's commands over; raise `GameDied`."""
        self.check_alive()
        assert self._keys is not None  # noqa: S101  a living stage has them
        self._keys.send(*commands)

    def grab(self, rect: Rect) -> Screen:
        """Return a part of the screen as it is now; raise `GameDied`."""
        self.check_alive()
        assert self._grabber is not None  # noqa: S101  a living stage has one
        return self._grabber.grab(rect)

    def windows(self) -> tuple[Rect, ...]:
        """Return the windows that the display shows, in pixels of the screen."""
        return windows_on(self._display.environment)

    def log(self) -> str:
        """Return all that the program has printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def last_words(self) -> str:
        """Return the last line that the program printed, or nothing."""
        return self._game.last_words() if self._game else ""

    def check_alive(self) -> None:
        """Raise `GameDied` where the program or its display has ended."""
        if self._game is None or not self._game.running:
            words = self.last_words()
            raise GameDied(f"The game ended{f' ({words})' if words else ''}: start it again.")
        if not self._display.running:
            raise GameDied("The game's display ended: start the game again.")

    def stop(self) -> None:
        """End the program, the display and all that belongs to them; may be called twice."""
        for part in (self._keys, self._grabber):
            if part is not None:
                part.close()
        if self._game is not None:
            self._game.stop()
        self._display.stop()
        shutil.rmtree(self.home, ignore_errors=True)


def _display_of(staging: Staging, screen: Size, home: Path) -> Display:
    timeout_s = staging.display_timeout_s
    if staging.display is None:
        return PrivateDisplay(screen, scratch=home, timeout_s=timeout_s)
    return GivenDisplay(staging.display, screen, locks=staging.scratch, timeout_s=timeout_s)
