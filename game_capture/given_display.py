"""An X display that exists already: one of a graphics card, or one that a person watches."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from game_capture.grabber import Grabber
from imageflow_domain.errors import GameDied, InvalidInput, Unavailable
from imageflow_domain.geometry import Size

_LOOK_S = 0.1


class GivenDisplay:
    """A display for one game at a time, whose screen has exactly the size that the game's window needs.

    Without a window manager the window then covers the screen, as it does on an Xvfb of its own. The X server's cookie
    is looked for where every X client does, XAUTHORITY or the account's own file.

    Args:
        name: ":1".
        size: Of the screen that the game needs.
        locks: An existing folder for the lock by which games of this machine exclude each other.
        timeout_s: How long a server that does not answer yet is waited for.
    """

    def __init__(self, name: str, size: Size, *, locks: Path, timeout_s: float) -> None:
        self.name = name
        self._size = size
        self._lock_file = locks / f"display-{name.strip(':').partition('.')[0]}.lock"
        self._timeout_s = timeout_s
        self._lock: int | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """The display's name alone: its cookie is the one that this process's own environment leads to."""
        return {"DISPLAY": self.name}

    @property
    def running(self) -> bool:
        """Always: a game, its keys and its grabs end with the server, and say so."""
        return True

    def start(self) -> None:
        """Return once the display is this game's alone.

        Raises `Unavailable` where another game has it or nothing answers, `InvalidInput` where its screen has another
        size.
        """
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)
            self._take()
            screen = self._answered()
            if screen != self._size:
                raise InvalidInput(
                    f"The display '{self.name}' has {_shown(screen)} px, and the game needs exactly "
                    f"{_shown(self._size)} px: start the display so, or leave IMAGEFLOW_GAME_DISPLAY unset."
                )
            undo.pop_all()

    def stop(self) -> None:
        """Let another game of this machine have the display. May be called twice."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take(self) -> None:
        self._lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unavailable(
                f"Another game has the display '{self.name}': set IMAGEFLOW_CAPTURE_POOL=1 so that games take turns, "
                "or leave IMAGEFLOW_GAME_DISPLAY unset."
            ) from error

    def _answered(self) -> Size:
        """Return the screen's size as soon as the server answers."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                with _connected(self) as grabber:
                    return grabber.screen
            except GameDied as error:
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"The display '{self.name}' did not answer within {self._timeout_s:g} s: start it, let this "
                        "account in (XAUTHORITY), or leave IMAGEFLOW_GAME_DISPLAY unset."
                    ) from error
            time.sleep(_LOOK_S)


@contextlib.contextmanager
def _connected(display: GivenDisplay) -> Iterator[Grabber]:
    grabber = Grabber(display)
    try:
        yield grabber
    finally:
        grabber.close()


def _shown(size: Size) -> str:
    return f"{size.width_px}x{size.height_px}"
