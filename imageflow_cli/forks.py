"""Starts Dagster's services as forks of a process that has imported what they import: `fork_server.py`.

Otherwise each service would import the same, for two seconds of a processor.
"""

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from imageflow_cli import fork_server
from imageflow_cli.fork_server import MOST_BYTES, die_with_parent
from imageflow_domain.errors import Unavailable

_ROOM = 400
"""Characters that a fork's command has room for where its server's own command stands."""

_ANSWER_S = 90.0
"""Longest wait for a fork; the first one waits for the imports."""


class Fork:
    """One fork; it answers as a `subprocess.Popen` does."""

    def __init__(self, pid: int, end: int, server: "subprocess.Popen[bytes]") -> None:
        self.pid = pid
        self._end = end
        self._server = server

    def poll(self) -> int | None:
        """Return 0 once it has ended, or ends because its server has; `None` before."""
        return 0 if self._has_ended(0) or self._server.poll() is not None else None

    def wait(self, timeout: float | None = None) -> int:
        """Return 0 once it has ended; raise `subprocess.TimeoutExpired` where that takes longer."""
        if not self._has_ended(timeout):
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return 0

    def _has_ended(self, within_s: float | None) -> bool:
        end = select.poll()
        end.register(self._end, select.POLLIN)
        return bool(end.poll(None if within_s is None else 1000 * within_s))

    def __del__(self) -> None:
        os.close(self._end)


class Forks:
    """Starts forks; starts their server before the first one, and again where it has ended."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        """Keep the environment of all forks, and the file of what their server itself writes."""
        self._environment = environment
        self._log = log
        self._server: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def start(self, module: str, arguments: Sequence[str], out: IO[bytes]) -> Fork:
        """Run a module as `python -m` does, in a process group of its own that dies with this process.

        Raises:
            Unavailable: The server of forks does not start.
        """
        for _ in range(2):  # a server that was killed is replaced once
            server, ours = self._served()
            try:
                socket.send_fds(ours, [json.dumps([module, *arguments]).encode()], [out.fileno()])
                answer, ends, _, _ = socket.recv_fds(ours, MOST_BYTES, 1)
            except OSError:
                answer = b""
            if answer:
                return Fork(int(answer), ends[0], server)
            self.end()
        raise Unavailable(f"The process that forks Dagster's services ended at once. Its log is {self._log}.")

    def end(self) -> None:
        """End the server."""
        if self._server is not None and self._socket is not None:
            self._socket.close()
            self._server.kill()  # it may still import, or be suspended
            self._server.wait()
        self._server = self._socket = None

    def _served(self) -> tuple["subprocess.Popen[bytes]", socket.socket]:
        if self._server is None or self._socket is None or self._server.poll() is not None:
            self.end()
            self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._socket.settimeout(_ANSWER_S)
            with theirs, self._log.open("ab") as log:
                self._server = subprocess.Popen(
                    (sys.executable, "-m", fork_server.__name__, str(theirs.fileno()), " " * _ROOM),
                    env=dict(self._environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                    preexec_fn=die_with_parent,
                )
        return self._server, self._socket
