"""A server's process: started on a port of its own, ended by its id, and gone when whoever started it is gone."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from imageflow_clients.postgres.account import own_children_die_with_us
from imageflow_domain.errors import Unavailable

_READY_S = 60.0
_END_S = 15.0
_POLL_S = 0.05
_LOG_TAIL = 10


class Child:
    """One running server."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        port: int,
        environment: Mapping[str, str] | None = None,
        enter: Callable[[], None] | None = None,
    ) -> None:
        """Start it and return once its port takes connections. It ends with the thread that starts it.

        Args:
            command: The program and its arguments.
            log: File that what it prints is added to.
            port: Where it listens on 127.0.0.1.
            environment: Everything it knows besides PATH and HOME; secrets travel here, never in the command.
            enter: What the child does before the program begins, in place of binding its life to ours.
        """
        self.port = port
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                command,
                env={"PATH": os.defpath, "HOME": str(log.parent), "LC_ALL": "C", **(environment or {})},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the one who owns the servers
                preexec_fn=enter or die_with_starter,
            )
        deadline = time.monotonic() + _READY_S
        while not listens(port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.end()
                said = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_TAIL:])
                raise Unavailable(f"'{Path(command[0]).name}' did not start. Its log, '{log}', ends:\n{said}")
            time.sleep(_POLL_S)

    @property
    def pid(self) -> int:
        """Of the program itself; it stays the same after the program's end."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the program has not ended yet."""
        return self._process.poll() is None

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, in order by default, and wait until it is gone."""
        if self.alive:
            self._process.send_signal(number)
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody takes connections on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def program(name: str, package: str) -> Path:
    """Return a program that a Python package brought; raise `Unavailable` with what to install."""
    beside = Path(sys.executable).with_name(name)
    found = beside if beside.exists() else shutil.which(name)
    if found is None:
        raise Unavailable(f"The program '{name}' is not installed: pip install {package}.")
    return Path(found)


def die_with_starter() -> None:
    """End the process that is about to begin a program when the thread that starts it ends: a `preexec_fn`."""
    own_children_die_with_us(signal.SIGKILL)
