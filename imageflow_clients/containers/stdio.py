"""The standard streams of a program that is not trusted: a process of this machine, or one at the end of a network."""

import os
import selectors
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Protocol

from typing_extensions import override

READ_BYTES = 65_536
"""What is read or written at once."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one turn brought."""

    output: bytes = b""
    log: bytes = b""
    unsent: bytes = b""
    """What the program has not taken yet."""


class Stdio(Protocol):
    """Standard input, output and error of a program. One thread at a time may use them."""

    is_over: bool
    """Whether the output has ended."""

    def turn(self, unsent: bytes, wait_s: float) -> Turn:
        """Send what the program takes of `unsent`, and return what has come, or nothing after a while."""

    def close(self) -> None:
        """Close the streams."""


class ProcessStdio(Stdio):
    """Those of a process of this machine."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        """Take over the three pipes of a process that was just started."""
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise ValueError("The process must be started with three pipes.")
        self.is_over = False
        self._has_log = True
        self._stdin: IO[bytes] = process.stdin
        self._stdout: IO[bytes] = process.stdout
        self._stderr: IO[bytes] = process.stderr
        for pipe in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(pipe.fileno(), False)

    @override
    def turn(self, unsent: bytes, wait_s: float) -> Turn:
        output = log = b""
        with selectors.DefaultSelector() as selector:
            if not self.is_over:
                selector.register(self._stdout, selectors.EVENT_READ)
            if self._has_log:
                selector.register(self._stderr, selectors.EVENT_READ)
            if unsent:
                selector.register(self._stdin, selectors.EVENT_WRITE)
            for key, _ in selector.select(wait_s) if selector.get_map() else ():
                if key.fileobj is self._stdin:
                    unsent = self._write(unsent)
                elif key.fileobj is self._stderr:
                    log = os.read(self._stderr.fileno(), READ_BYTES)
                    self._has_log = bool(log)
                else:
                    output = os.read(self._stdout.fileno(), READ_BYTES)
                    self.is_over = not output
        return Turn(output=output, log=log, unsent=unsent)

    @override
    def close(self) -> None:
        for pipe in (self._stdin, self._stdout, self._stderr):
            with suppress(BrokenPipeError):  # what was not sent is not wanted any more
                pipe.close()

    def _write(self, data: bytes) -> bytes:
        """Write what the pipe takes; return what is left. Nothing is left for a process that reads no more."""
        try:
            return data[os.write(self._stdin.fileno(), data[:READ_BYTES]) :]
        except BrokenPipeError:
            return b""
