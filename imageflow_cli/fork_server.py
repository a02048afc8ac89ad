"""A process that has imported what Dagster's services import, and starts each of them as a fork of itself.

Run as a program of its own, by `forks.py`: `python -m imageflow_cli.fork_server SOCKET`. An order is a module and its
arguments, as for `python -m`, with the file of its output; the answer is the fork's number and a descriptor that is
readable once the fork has ended.
Modules of this project are not imported beforehand: a service that is started again loads the code as it is then.
"""

import contextlib
import ctypes
import gc
import json
import os
import runpy
import signal
import socket
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

PRELOADED = (
    "dagster_webserver.cli",
    "dagster._cli.code_server",
    "dagster._daemon.cli",
    "dagster_postgres",
    "pydantic_settings",
    "sqlalchemy.dialects.postgresql.psycopg",
)
"""What the services import and what starts no thread: a fork would copy a lock that stays closed."""

MOST_BYTES = 65_536
"""Of an order, and of an answer."""

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def die_with_parent() -> None:
    """Let this process be asked to end once its parent has ended."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _serve(orders: socket.socket) -> Sequence[str]:
    """Fork for each order; return the order in the fork, and nothing in this process once its owner has ended."""
    gc.disable()  # it would look through all modules again and again while they are imported
    for name in PRELOADED:
        import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, _reap)
    while True:
        message, files, _, _ = socket.recv_fds(orders, MOST_BYTES, 1)
        if not message:
            return ()
        # a fork that ends at once has its number until the answer is made
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        pid = os.fork()
        if pid == 0:
            orders.close()
            order: Sequence[str] = json.loads(message)
            _become(order, files[0])
            return order
        end = os.pidfd_open(pid)
        socket.send_fds(orders, [str(pid).encode()], [end])
        os.close(end)
        os.close(files[0])
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


def _reap(number: int, frame: object) -> None:  # noqa: ARG001 - a signal handler's shape
    with contextlib.suppress(ChildProcessError):  # there is none left
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _become(order: Sequence[str], out: int) -> None:
    """Make a process of its own of this fork: session, output, signals, and what `ps` shows."""
    os.setsid()
    die_with_parent()
    for descriptor in (1, 2):
        os.dup2(out, descriptor)
    os.close(out)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    gc.enable()
    _show(" ".join((sys.executable, "-m", *order)))


def _show(command: str) -> None:
    """Write a command over the one that this process was started with, where the kernel reads it."""
    # the name, in brackets, may have blanks of its own; 48 and 49 are the command's addresses
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, room = int(fields[45]), int(fields[46]) - int(fields[45])
    # no NUL at the very end: the kernel then takes what is before the first one for the whole command
    ctypes.memmove(begin, command.encode()[: room - 2].ljust(room - 1, b"\0") + b" ", room)


def main(arguments: Sequence[str]) -> None:
    """Serve orders that come from a socket; in a fork, run its module."""
    order = _serve(socket.socket(fileno=int(arguments[0])))
    if order:
        sys.argv[1:] = order[1:]
        runpy.run_module(order[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
