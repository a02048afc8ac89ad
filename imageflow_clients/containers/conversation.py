"""Lines to and from a process that is not trusted: bounded in time, in length and in what is kept of its log."""

import os
import selectors
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO

LINE_BYTES = 4 * 2**20
"""The longest line that is read."""

_LOG_BYTES = 4096
_LOG_LINES = 20
_READ_BYTES = 65_536
_LOOK_S = 0.25
_MOST_READS = 64


class LineTooLong(Exception):
    """The process wrote a line that is longer than is read."""


class Conversation:
    """One line in, one line out; standard error is read on the side. One thread at a time may use it."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        """Take over the three pipes of a process that was just started."""
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise ValueError("The process must be started with three pipes.")
        self._stdin: IO[bytes] = process.stdin
        self._stdout: IO[bytes] = process.stdout
        self._stderr: IO[bytes] = process.stderr
        self._pending = b""
        """Read from standard output after the last whole line."""
        self._log = b""
        for pipe in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(pipe.fileno(), False)

    def exchange(self, line: bytes, limit_s: float, look: Callable[[], None]) -> bytes | None:
        """Write a line, or none, and return the line that comes back; `None` where the output ends before.

        Args:
            line: With its end.
            limit_s: Raises `TimeoutError` after that.
            look: Called several times a second; what it raises ends the exchange.
        """
        deadline_s = time.monotonic() + limit_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            selector.register(self._stderr, selectors.EVENT_READ)
            if line:
                selector.register(self._stdin, selectors.EVENT_WRITE)
            while b"\n" not in self._pending:
                if time.monotonic() > deadline_s:
                    raise TimeoutError
                look()
                for key, _ in selector.select(_LOOK_S):
                    if key.fileobj is self._stdin:
                        line = self._write(line)
                        if not line:
                            selector.unregister(self._stdin)
                    elif key.fileobj is self._stderr:
                        if not self._read_log():
                            selector.unregister(self._stderr)
                    elif not self._read_output():
                        return None
        answer, _, self._pending = self._pending.partition(b"\n")
        return answer

    def has_more(self) -> bool:
        """Return whether the process wrote something that nothing asked for."""
        if self._pending:
            return True
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            # Its end can be read, too: a process may exit once it has answered.
            return bool(selector.select(0)) and self._read_output()

    def log(self) -> str:
        """Return the last lines that the process wrote to standard error."""
        with suppress(BlockingIOError):  # there is no more at present
            for _ in range(_MOST_READS):  # it may go on writing
                if not self._read_log():
                    break
        lines = self._log.decode(errors="replace").splitlines()[-_LOG_LINES:]
        return "\n".join("".join(sign if sign.isprintable() else "?" for sign in line) for line in lines)

    def close(self) -> None:
        """Close the pipes."""
        for pipe in (self._stdin, self._stdout, self._stderr):
            with suppress(BrokenPipeError):  # what was not sent is not wanted any more
                pipe.close()

    def _write(self, line: bytes) -> bytes:
        """Write what the pipe takes; return what is left. Nothing is left for a process that reads no more."""
        try:
            return line[os.write(self._stdin.fileno(), line[:_READ_BYTES]) :]
        except BrokenPipeError:
            return b""

    def _read_output(self) -> bool:
        data = os.read(self._stdout.fileno(), _READ_BYTES)
        self._pending += data
        if len(self._pending) > LINE_BYTES:
            raise LineTooLong
        return bool(data)

    def _read_log(self) -> bool:
        data = os.read(self._stderr.fileno(), _READ_BYTES)
        self._log = (self._log + data)[-_LOG_BYTES:]
        return bool(data)
