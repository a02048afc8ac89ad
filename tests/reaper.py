"""Runs a command and counts the processor time of all that it starts: `python -m tests.reaper COMMAND...`.

A process whose parent ended before it, such as a killed stack's service or a game, becomes a child of this one, which
waits for it. Otherwise no count would contain it.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_REAPER = "TESTS_REAPER"


def reap(command: Sequence[str]) -> int:
    """Run a command; wait for it, and for every process that ends before it. Return its exit status."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = subprocess.Popen(command, env={**os.environ, _REAPER: str(os.getpid())})
    signal.signal(signal.SIGINT, lambda *_: None)  # the terminal sends it to the command as well
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    while True:
        ended, status = os.wait()
        if ended == child.pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def cpu_s() -> float:
    """Return the processor seconds below the reaper of this process, or below this process where it has none."""
    return tree_cpu_s(int(os.environ.get(_REAPER, os.getpid())))


def tree_cpu_s(root: int) -> float:
    """Return the processor seconds of a process, of those that it waited for, and of all that live below it."""
    try:
        # the name of the command, in brackets, may have blanks and brackets of its own
        fields = Path(f"/proc/{root}/stat").read_bytes().rpartition(b")")[2].split()
        tasks = list(Path(f"/proc/{root}/task").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return 0.0  # its parent has it by now
    own_s = sum(map(int, fields[11:15])) / _TICKS_PER_S
    return own_s + sum(tree_cpu_s(child) for task in tasks for child in _children(task))


def _children(task: Path) -> list[int]:
    try:
        return [int(child) for child in (task / "children").read_bytes().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []  # the thread has ended


if __name__ == "__main__":
    sys.exit(reap(sys.argv[1:]))
