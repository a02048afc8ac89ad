"""The X display of one game: an Xvfb of its own, behind a cookie of its own, or one that is there already."""

import os
import secrets
import select
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, Self

from game_capture.processes import Leashed, find_program
from imageflow_domain.errors import GameDied
from imageflow_domain.geometry import Size

_STOP_S = 2.0  # it removes its socket and lock
_ATTEMPTS = 3  # servers that start at the same moment may choose the same number; the loser ends
_FAMILY_WILD = 0xFFFF


class Display(Protocol):
    """What a game, its keys and its grabs need of a display."""

    @property
    def name(self) -> str:
        """As X clients name it, such as ":1"; empty before an Xvfb of its own was started."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What a client needs to connect, besides this process's own environment."""

    @property
    def running(self) -> bool:
        """Whether the display is not known to have ended."""

    def start(self) -> None:
        """Return once clients can connect."""

    def stop(self) -> None:
        """Let go of the display. May be called twice."""


class PrivateDisplay:
    """An Xvfb that listens on its own socket only, and ends with its owner.

    Args:
        size: The one screen's size, 24 bits deep.
        scratch: An existing folder for the cookie and the server's log.
        timeout_s: From its start until it takes clients.
    """

    def __init__(self, size: Size, *, scratch: Path, timeout_s: float) -> None:
        self._size = size
        self._scratch = scratch
        self._authority = scratch / "Xauthority"
        self._timeout_s = timeout_s
        self._server: Leashed | None = None
        self.name = ""

    @property
    def environment(self) -> Mapping[str, str]:
        """The display's name, and the file with its cookie."""
        return {"DISPLAY": self.name, "XAUTHORITY": str(self._authority)}

    @property
    def running(self) -> bool:
        """Whether Xvfb was started and has not ended since."""
        return self._server is not None and self._server.running

    def start(self) -> None:
        """Return once clients can connect; raise `GameMissing` without Xvfb, `GameDied` where it does not start."""
        program = find_program("Xvfb", packages="xvfb")
        self._write_cookie()
        for _ in range(_ATTEMPTS):
            if self._try_start(program):
                return
        reason = self._server.last_words() if self._server else ""
        self.stop()
        raise GameDied(
            f"Xvfb did not start within {self._timeout_s:g} s{f' ({reason})' if reason else ''}: see whether /tmp can "
            "be written, or give it longer by IMAGEFLOW_GAME_DISPLAY_TIMEOUT_S."
        )

    def stop(self) -> None:
        """End the server. May be called twice."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _try_start(self, program: str) -> bool:
        if self._server is not None:
            self._server.stop()
        number_from, number_to = os.pipe()
        try:
            screen = f"{self._size.width_px}x{self._size.height_px}x24"
            options = ["-nolisten", "tcp", "-noreset", "-s", "0", "-auth", str(self._authority)]
            self._server = Leashed(
                [program, "-displayfd", str(number_to), "-screen", "0", screen, *options],
                log=self._scratch / "xvfb.log",
                environment=os.environ,
                folder=self._scratch,
                descriptors=(number_to,),
                patience_s=_STOP_S,
            )
            os.close(number_to)
            number_to = -1
            number = _read_line(number_from, self._timeout_s)
        finally:
            os.close(number_from)
            if number_to >= 0:
                os.close(number_to)
        self.name = f":{number}"
        return bool(number)

    def _write_cookie(self) -> None:
        """One entry, for any host and any display: the server's number is not known yet."""
        parts = (b"", b"", b"MIT-MAGIC-COOKIE-1", secrets.token_bytes(16))
        entry = _FAMILY_WILD.to_bytes(2, "big") + b"".join(len(part).to_bytes(2, "big") + part for part in parts)
        self._authority.touch(mode=0o600)
        self._authority.write_bytes(entry)


def _read_line(descriptor: int, timeout_s: float) -> str:
    """Return digits up to the newline; nothing where the writer ends or the time is up first."""
    text = b""
    deadline = time.monotonic() + timeout_s
    while not text.endswith(b"\n"):
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        piece = os.read(descriptor, 16) if ready else b""
        if not piece:
            return ""
        text += piece
    return text.decode().strip()
