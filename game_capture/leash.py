"""Runs one command so that it, and all that it starts, ends with its owner, however the owner ends.

Run as a program of its own, by `processes.py`: `python leash.py LIFELINE PATIENCE ACCOUNT COMMAND...`. LIFELINE is
the reading end of a pipe whose writing end only the owner holds: a parent-death signal alone would fire when the
owner's *thread* ends. PATIENCE is the number of seconds between SIGTERM and SIGKILL. ACCOUNT is the UID:GID of the
command, or empty.
Imports the standard library only, so that it starts in a few milliseconds.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_LOOK_S = 1.0
NOT_STARTED = 127


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit status, or 128 and the signal that ended it."""
    lifeline, patience_s, account, command = int(arguments[0]), float(arguments[1]), arguments[2], arguments[3:]
    os.set_inheritable(lifeline, False)
    owner = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    # What the command leaves behind becomes this process's child, and can be found and ended.
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    bell, ring = os.pipe()
    os.set_blocking(ring, False)
    signal.set_wakeup_fd(ring)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _wake)
    child = os.fork()
    if child == 0:
        _become(command, account, libc)
    keep = {0, 1, 2, lifeline, bell, ring}
    for descriptor in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if descriptor not in keep:
            with contextlib.suppress(OSError):  # the listing's own descriptor
                os.close(descriptor)
    status = _watch(child, owner, lifeline, bell)
    _end_all(patience_s)
    return os.waitstatus_to_exitcode(status) % 256 if status is not None else 0


_asked: list[int] = []


def _wake(number: int, _frame: object) -> None:
    if number != signal.SIGCHLD:
        _asked.append(number)


def _become(command: Sequence[str], account: str, libc: ctypes.CDLL) -> None:
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    try:
        if account:
            uid, gid = (int(part) for part in account.split(":"))
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
        # last: it is forgotten where the account changes
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.execvp(command[0], list(command))  # noqa: S606  a fixed argument list, no shell
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    os._exit(NOT_STARTED)


def _watch(child: int, owner: int, lifeline: int, bell: int) -> int | None:
    """Return the child's wait status, or `None` where the owner or a signal ended the watch."""
    poll = select.poll()
    poll.register(lifeline, select.POLLIN | select.POLLHUP)
    poll.register(bell, select.POLLIN)
    while True:
        ready = [descriptor for descriptor, _ in poll.poll(int(_LOOK_S * 1000))]
        if bell in ready:
            os.read(bell, 512)
        with contextlib.suppress(ChildProcessError):
            while (reaped := os.waitpid(-1, os.WNOHANG))[0]:
                if reaped[0] == child:
                    return reaped[1]
        # A process forked from the owner may hold the pipe open after the owner is gone.
        if lifeline in ready or _asked or os.getppid() != owner:
            return None


def _end_all(patience_s: float) -> None:
    """End all children, and those that become children as their parents end; return once the kernel knows of none.

    A process whose first thread has ended looks like a zombie while its other threads, and its children, live on.
    """
    deadline = time.monotonic() + patience_s
    while _has_children():
        number = signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL
        for child in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, number)
        time.sleep(0.01)


def _has_children() -> bool:
    """Reap those that have ended; return whether others are left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _children() -> list[int]:
    mine = os.getpid()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            # The command's name, in brackets, may hold spaces: the parent is the second field after it.
            fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[1]) == mine:
                found.append(int(entry.name))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
