"""Servers owned by a process in the background, which later commands find and end."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from imageflow_domain.errors import Conflict, Unavailable

_STOP_S = 60.0
_LOOK_S = 1.0
_POLL_S = 0.1


class Background:
    """The owner of what runs in a folder. It holds a file locked, so that its number is never another process's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def owner(self) -> int | None:
        """Return the owner's process; `None` where nothing runs."""
        try:
            with (self._folder / "owner").open() as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return int(file.read() or 0) or None
        except FileNotFoundError:
            return None
        return None

    def start(self, arguments: Sequence[str], *, within_s: float) -> None:
        """Start `python -m services ARGUMENTS`, which calls `hold`, and return once it works.

        Raises `Conflict` where an owner is there already, and `Unavailable` with its log where it ends or takes longer.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        if self.owner() is not None:
            raise Conflict(f"Servers run in '{self._folder}' already: end them with `stop` first.")
        self._forget()  # of an owner that was killed
        with (self._folder / "run.log").open("wb") as log:
            owner = subprocess.Popen(
                [sys.executable, "-m", "services", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + within_s
        while not (self._folder / "up").exists():
            if owner.poll() is not None or time.monotonic() > deadline:
                owner.terminate()
                raise Unavailable(f"They did not start: {(self._folder / 'run.log').read_text().strip()}")
            time.sleep(_POLL_S)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Be the owner during the block, which is to start the servers and end with `wait`.

        SIGINT and SIGTERM end the block. Raises `Conflict` where another process is the owner.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        for ending in (signal.SIGINT, signal.SIGTERM):
            signal.signal(ending, _interrupt)
        with (self._folder / "owner").open("a+") as lock:
            self._lock(lock)
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            self._forget()
            try:
                with suppress(KeyboardInterrupt):  # the way in which it is meant to end
                    yield
            finally:
                self._forget()

    def _lock(self, file: IO[str]) -> None:
        """Lock the owner's file. Another process that looks for the owner holds it for an instant."""
        deadline = time.monotonic() + _LOOK_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise Conflict(f"Servers run in '{self._folder}' already.") from error
                time.sleep(_POLL_S)
            else:
                return

    def wait(self) -> None:
        """Say that the servers work, and rest until this process is to end."""
        (self._folder / "up").touch()
        signal.pause()

    def stop(self) -> bool:
        """End the owner and what it owns; return whether there was one."""
        owner = self.owner()
        if owner is None:
            return False
        os.kill(owner, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_S
        while self.owner() is not None:
            if time.monotonic() > deadline:
                raise Unavailable(f"Process {owner} does not end.")
            time.sleep(_POLL_S)
        return True

    def _forget(self) -> None:
        (self._folder / "up").unlink(missing_ok=True)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
