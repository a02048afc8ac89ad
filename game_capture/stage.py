"""One program on a display that is its alone, with its keys, its mouse and its pixels, and an end for all together."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from game_capture.accounts import Account
from game_capture.display import Display, PrivateDisplay
from game_capture.given_display import GivenDisplay
from game_capture.grabber import Grabber, Screen, to_rgb
from game_capture.processes import Leashed, game_path
from game_capture.staging import Staging
from game_capture.windows import windows_on
from game_capture.xdotool import Xdotool
from imageflow_domain.errors import CaptureError, GameDied, Unavailable
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
        account: Of the program; `None`: this process's. It then has a folder and a cookie of its own.

    Raises `Unavailable` where the account cannot enter the scratch folder.
    """

    def __init__(self, screen: Size, *, home: Path, staging: Staging, account: Account | None = None) -> None:
        self.home = home
        self.folder = home
        """Where the program runs, and may write. What it should find there is put in before the stage is opened."""
        self.screen = Rect(x_px=0, y_px=0, width_px=screen.width_px, height_px=screen.height_px)
        """All of the display."""
        self._account = account
        if account is not None:
            account.check_can_enter(home.parent)
            home.chmod(0o711)
            self.folder = home / account.name
            self.folder.mkdir(mode=0o700)
        self._log = home / "game.log"
        self._display = _display_of(staging, screen, home)
        self._game: Leashed | None = None
        self._keys: Xdotool | None = None
        self._grabber: Grabber | None = None
        self._seen: Screen | None = None

    def open(self) -> None:
        """Start the display, its keys and its grabs.

        Raises `GameMissing` without Xvfb or xdotool, `Unavailable` or `InvalidInput` where a given display is not to be
        had or not fit, and `GameDied`.
        """
        if self._account is not None:
            # the folder's owner can put links into it: from here on we write nothing there
            for path in (*self.folder.rglob("*"), self.folder):
                self._account.own(path, 0o700 if path.is_dir() else 0o600)
        self._display.start()
        self._keys = Xdotool(self._display)
        self._grabber = Grabber(self._display)

    def start(self, command: Sequence[str], *, environment: Mapping[str, str]) -> None:
        """Start the program, and the display where it is not open; `environment` adds to this process's own.

        Its errors are those of `open`.
        """
        if self._keys is None:
            self.open()
        self._game = Leashed(
            command,
            log=self._log,
            environment=self._environment(environment),
            folder=self.folder,
            account=self._account,
        )

    def run(self, command: Sequence[str], *, environment: Mapping[str, str], timeout_s: float) -> None:
        """Run another command to its end, as the program is; raise `CaptureError` where it fails or lasts longer."""
        with contextlib.ExitStack() as undo:
            running = Leashed(
                command,
                log=self.home / "command.log",
                environment=self._environment(environment),
                folder=self.folder,
                account=self._account,
            )
            undo.callback(running.stop)
            status = running.wait(timeout_s)
            words = running.last_words()
        if status != 0:
            what = f"took longer than {timeout_s:g} s" if status is None else f"failed with status {status}"
            raise CaptureError(f"The command '{command[0]}' {what}{f' ({words})' if words else ''}: try it by hand.")

    def end_game(self) -> None:
        """End the program, and nothing else; may be called twice."""
        if self._game is not None:
            self._game.stop()

    def send(self, *commands: str) -> None:
        """Hand xdotool's commands over; raise `GameDied`."""
        self.check_alive()
        assert self._keys is not None  # noqa: S101  a living stage has them
        self._keys.send(*commands)

    def grab(self, rect: Rect) -> Screen:
        """Return a part of the screen as it is now; raise `GameDied`."""
        self.check_alive()
        assert self._grabber is not None  # noqa: S101  a living stage has one
        try:
            screen = self._grabber.grab(rect)
        except GameDied as error:
            raise GameDied(str(error), picture=self.last_seen()) from error
        if _tells(screen):
            self._seen = screen
        return screen

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
        """Raise `GameDied` where the program or its display has ended, with what was seen last."""
        if self._game is None or not self._game.running:
            words = self.last_words()
            raise GameDied(f"The game ended{f' ({words})' if words else ''}: start it again.", picture=self.last_seen())
        if not self._display.running:
            raise GameDied("The game's display ended: start the game again.", picture=self.last_seen())

    def stop(self) -> None:
        """End the program, the display and all that belongs to them; may be called twice."""
        for part in (self._keys, self._grabber):
            if part is not None:
                part.close()
        self.end_game()
        self._display.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def last_seen(self) -> NDArray[np.uint8] | None:
        """Return the last grabbed picture of use to a person, as RGB; `None` before."""
        return None if self._seen is None else to_rgb(self._seen)

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        display = dict(self._display.environment)
        machine = {**os.environ, "PATH": game_path()}
        if self._account is None:
            return {**machine, **more, **display}
        own = {name: value for name, value in machine.items() if not _is_of_an_account(name)}
        cookies = _cookies_of(display)
        if cookies is not None:
            copy = self.home / "Xauthority-of-game"
            copy.unlink(missing_ok=True)
            with os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(cookies.read_bytes())
            self._account.own(copy, 0o600)
            display["XAUTHORITY"] = str(copy)
        account = {"HOME": str(self.folder), "USER": self._account.name, "LOGNAME": self._account.name}
        return {**own, **account, **more, **display}


def _tells(screen: Screen) -> bool:
    """Whether a grab shows anything to a person: not a few pixels, and not one colour, as the display alone has."""
    sample = screen[::_ONE_IN, ::_ONE_IN, :3]
    return min(sample.shape[:2]) > 1 and bool((sample != sample[0, 0]).any())


_ONE_IN = 8
"""One in so many rows and columns is looked at: every grab is."""

_OF_AN_ACCOUNT = frozenset(
    f"XDG_{name}" for name in ("RUNTIME_DIR", "CONFIG_HOME", "DATA_HOME", "CACHE_HOME", "STATE_HOME")
) | {"DBUS_SESSION_BUS_ADDRESS"}
"""What names folders and services of one account."""


def _is_of_an_account(name: str) -> bool:
    """Whether a variable is for ImageFlow's own account alone: secrets of its stores are, too."""
    return name in _OF_AN_ACCOUNT or name.startswith(("IMAGEFLOW_", "AWS_"))


def _cookies_of(display: Mapping[str, str]) -> Path | None:
    """Return the file with the display's cookie, where X clients of this process look for it; `None` without one."""
    named = display.get("XAUTHORITY") or os.environ.get("XAUTHORITY")
    path = Path(named) if named else Path.home() / ".Xauthority"
    return path if path.is_file() else None


def _display_of(staging: Staging, screen: Size, home: Path) -> Display:
    timeout_s = staging.display_timeout_s
    if staging.display is None:
        return PrivateDisplay(screen, scratch=home, timeout_s=timeout_s)
    return GivenDisplay(staging.display, screen, locks=staging.scratch, timeout_s=timeout_s)
