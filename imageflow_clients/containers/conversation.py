"""Lines to and from a program that is not trusted: bounded in time, in length and in what is kept of its log."""

import time
from collections.abc import Callable

from imageflow_clients.containers.stdio import Stdio, Turn
from imageflow_domain.step_scope import LogLine, current_scope

LINE_BYTES = 4 * 2**20
"""The longest line that is read."""

_LOG_BYTES = 4096
_LOG_LINES = 20
_LEVEL = "info"
"""Of lines of standard error, which have none."""

_LOOK_S = 0.25
_MOST_READS = 64


class LineTooLong(Exception):
    """The program wrote a line that is longer than is read."""


class Conversation:
    """One line in, one line out; standard error is read on the side. One thread at a time may use it."""

    def __init__(self, stdio: Stdio) -> None:
        """Take over the streams of a program that was just started."""
        self._stdio = stdio
        self._pending = b""
        """Read from standard output after the last whole line."""
        self._log = b""
        self._unfinished = b""
        """Read from standard error after the last whole line."""

    def exchange(self, line: bytes, limit_s: float, look: Callable[[], None]) -> bytes | None:
        """Write a line, or none, and return the line that comes back; `None` where the output ends before.

        Args:
            line: With its end.
            limit_s: Raises `TimeoutError` after that.
            look: Called several times a second; what it raises ends the exchange.
        """
        deadline_s = time.monotonic() + limit_s
        while True:
            line = self._turn(line, _LOOK_S).unsent
            if len(self._pending) > LINE_BYTES:
                raise LineTooLong
            if b"\n" in self._pending:
                break
            if self._stdio.is_over:
                return None
            if time.monotonic() > deadline_s:
                raise TimeoutError
            look()
        answer, _, self._pending = self._pending.partition(b"\n")
        return answer

    def has_more(self) -> bool:
        """Return whether the program wrote something that nothing asked for."""
        self._drain()  # its end can be read, too: a program may exit once it has answered
        return bool(self._pending)

    @property
    def is_over(self) -> bool:
        """Whether the program's output has ended, as far as it was read."""
        return self._stdio.is_over

    def log(self) -> str:
        """Return the last lines that the program wrote to standard error."""
        self._drain()
        return "\n".join(_shown(line) for line in self._log.splitlines()[-_LOG_LINES:])

    def close(self) -> None:
        """Close the streams."""
        self._stdio.close()

    def _drain(self) -> None:
        """Read what has come."""
        for _ in range(_MOST_READS):  # it may go on writing
            turn = self._turn(b"", 0)
            if not turn.log and not turn.output:
                break

    def _turn(self, line: bytes, wait_s: float) -> Turn:
        turn = self._stdio.turn(line, wait_s)
        self._pending = (self._pending + turn.output)[: LINE_BYTES + 1]
        self._log = (self._log + turn.log)[-_LOG_BYTES:]
        self._report(turn.log)
        return turn

    def _report(self, said: bytes) -> None:
        """Report the whole lines of standard error to the step for which this thread talks to the program."""
        scope = current_scope()
        *lines, unfinished = (self._unfinished + said).split(b"\n")
        if self._stdio.is_over and unfinished:
            lines, unfinished = [*lines, unfinished], b""
        self._unfinished = unfinished[:_LOG_BYTES]
        if scope is not None:
            for line in lines:
                scope.log(LogLine.now(_LEVEL, _shown(line.removesuffix(b"\r"))))


def _shown(line: bytes) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in line.decode(errors="replace"))
