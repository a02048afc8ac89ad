"""Keys and mouse of a display, through one long-lived xdotool: starting one costs more than a key."""

import os
import subprocess
import threading

from game_capture.display import Display
from game_capture.processes import find_program
from imageflow_domain.errors import GameDied

_STOP_S = 2.0


class Xdotool:
    """Takes xdotool's own commands, one a line. It ends with its display, and with its owner."""

    def __init__(self, display: Display) -> None:
        program = find_program("xdotool", packages="xdotool")
        self._process = subprocess.Popen(
            [program, "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **display.environment},
            start_new_session=True,
        )
        self._lock = threading.Lock()

    def send(self, *commands: str) -> None:
        """Hand commands over without waiting for them; raise `GameDied` where the display is gone."""
        assert self._process.stdin is not None  # noqa: S101  given above
        try:
            self._process.stdin.write("".join(f"{command}\n" for command in commands).encode())
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise GameDied("The game's display takes no more keys: start the game again.") from error

    def close(self) -> None:
        """May be called twice."""
        for pipe in (self._process.stdin, self._process.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except BrokenPipeError:  # it ended with commands unread
                continue
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
