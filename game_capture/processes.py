"""Programs that a driver starts: found on the machine, bound to their owner, ended for certain."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from game_capture import leash
from game_capture.accounts import Account
from imageflow_domain.errors import GameMissing

_STOP_S = 6.0
_GAMES = Path("/usr/games")  # Debian's place for games, often not on PATH
_LAST_BYTES = 2000


def game_path() -> str:
    """Return the PATH by which games find their own programs: this process's, and Debian's place for games."""
    path = os.environ.get("PATH", os.defpath)
    return path if str(_GAMES) in path.split(os.pathsep) else f"{path}{os.pathsep}{_GAMES}"


def find_program(name: str, *, packages: str) -> str:
    """Return the program's path; raise `GameMissing` with the Debian packages that hold it."""
    found = shutil.which(name) or shutil.which(name, path=str(_GAMES))
    if found is None:
        raise GameMissing(f"The program '{name}' is not installed: on Debian, run 'apt install {packages}'.")
    return str(Path(found).absolute())  # it is started from another folder


class Leashed:
    """A running command that ends with this object's `stop`, or with the owning process.

    Args:
        command: Program path and arguments.
        log: File that receives what the command prints.
        environment: The whole environment.
        folder: Where the command runs.
        descriptors: Open files to hand on.
        patience_s: From asking the command to end until it is killed; 0 where it has nothing to save.
        account: Of the command; `None`: this process's. Only root may name one.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        folder: Path,
        descriptors: Sequence[int] = (),
        patience_s: float = 0.0,
        account: Account | None = None,
    ) -> None:
        self.log = log
        runs_as = f"{account.uid}:{account.gid}" if account else ""
        lifeline, self._holding = os.pipe()
        try:
            with log.open("wb") as output:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", leash.__file__, str(lifeline), str(patience_s), runs_as, *command],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=dict(environment),
                    cwd=folder,
                    pass_fds=(lifeline, *descriptors),
                    start_new_session=True,
                )
        except OSError:
            os.close(self._holding)
            raise
        finally:
            os.close(lifeline)

    @property
    def running(self) -> bool:
        """Whether the command, or something that it started, has not ended."""
        return self._process.poll() is None

    def wait(self, timeout_s: float) -> int | None:
        """Return the command's exit status once it has ended; `None` where it has not in time."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def last_words(self) -> str:
        """Return the last line that the command printed, or nothing."""
        try:
            with self.log.open("rb") as output:
                output.seek(max(0, self.log.stat().st_size - _LAST_BYTES))
                lines = output.read().decode(errors="replace").split("\n")
        except FileNotFoundError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def stop(self) -> None:
        """End the command and everything that it started. May be called twice."""
        if self._holding >= 0:
            os.close(self._holding)
            self._holding = -1
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its child carries a parent-death signal
            self._process.wait()
