"""Processes for tests of the embedded server: clients that can be killed, and what is alive."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLIENT = """
import sys
from pathlib import Path
from imageflow_clients.embedded_postgres import EmbeddedPostgres
EmbeddedPostgres(Path(sys.argv[1]), idle_s=float(sys.argv[2])).url("imageflow")
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def client(folder: Path, idle_s: float = 0.2) -> Iterator["subprocess.Popen[str]"]:
    """Another process that uses the server in `folder` until the block ends."""
    process = begin_client(folder, idle_s)
    try:
        wait_ready(process)
        yield process
    finally:
        process.kill()
        process.communicate()


def begin_client(folder: Path, idle_s: float = 0.2) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(folder), str(idle_s)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_ready(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline()
    assert line == "ready\n", process.stderr.read()


def server_pid(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])


def supervisor_pid(folder: Path) -> int:
    return int((folder / "supervisor.lock").read_text())


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def within(seconds: float, happened: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def as_root() -> bool:
    return os.geteuid() == 0
