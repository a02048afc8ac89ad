"""Watch the processes of a running stack from outside: memory by role, and the processor time of run workers."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_SAMPLE_S = 1.0
_FORKS = "multiprocessing.forkserver"
_STEPS = "imageflow_assets.step_child"
_OF_RUNS = {"run worker", "fork server of runs", "fork server", "step process"}
_ROLES = (
    ("dagster_webserver", "webserver"),
    ("dagster._daemon", "daemon"),
    ("imageflow_gateway", "gateway"),
    ("imageflow_engine", "engine"),
    ("postgres", "PostgreSQL"),
    ("imageflow_cli.fork_server", "fork server of services"),
    ("imageflow_cli", "imageflow up"),
)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What the living run workers, and the processes of their steps, had used by one moment."""

    at: float
    """Seconds since 1970."""
    worker_cpu_s: Mapping[int, float]
    """Processor time so far, by process id."""


@dataclass(kw_only=True)
class Watched:
    """What was seen of this process's descendants."""

    peak_mb: dict[str, float] = field(default_factory=dict)
    """Largest resident set of any one process of each role, in MB."""
    samples: list[Sample] = field(default_factory=list)

    def worker_cpu_s(self, begin: float, end: float) -> float:
        """Return the processor time that run workers used between two moments."""
        total_s = 0.0
        before: dict[int, float] = {}
        for sample in self.samples:
            for pid, cpu_s in sample.worker_cpu_s.items():
                if begin <= sample.at <= end:
                    total_s += max(0.0, cpu_s - before.get(pid, 0.0))
                before[pid] = cpu_s
        return total_s


@contextmanager
def watching(home: Path) -> Iterator[Watched]:
    """Sample every second, until the end of the body, all descendants of this process and a home's PostgreSQL."""
    watched = Watched()
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(home, watched, over), daemon=True)
    watcher.start()
    try:
        yield watched
    finally:
        over.set()
        watcher.join()


def _watch(home: Path, watched: Watched, over: threading.Event) -> None:
    while not over.wait(_SAMPLE_S):
        workers: dict[int, float] = {}
        for process in (*psutil.Process().children(recursive=True), *database_of(home)):
            try:
                with process.oneshot():
                    role, used_mb, times = role_of(process), process.memory_info().rss / 1e6, process.cpu_times()
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            if role in _OF_RUNS:
                workers[process.pid] = times.user + times.system
            watched.peak_mb[role] = max(watched.peak_mb.get(role, 0.0), used_mb)
        watched.samples.append(Sample(at=time.time(), worker_cpu_s=workers))


def database_of(home: Path) -> list[psutil.Process]:
    """Return the processes of a home's embedded PostgreSQL, its first one first; they have no parent among ours."""
    data = home.resolve() / "postgres" / "data"
    try:
        postmaster = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
        # a server that was killed leaves its number behind, which may be another program's by now
        return [postmaster, *postmaster.children()] if str(data) in postmaster.cmdline() else []
    except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
        return []


def role_of(process: psutil.Process) -> str:
    """Name a process: run workers are forked, and so are the processes of their steps, by other servers of forks."""
    command = " ".join(process.cmdline())
    if "code-server" in command:
        return "code server"
    if "api grpc" in command:
        return "code server"
    if _FORKS in command:
        parent = process.parent()
        forked = parent is not None and parent.cmdline() == process.cmdline()
        if _STEPS in command:
            return "step process" if forked else "fork server"
        return "run worker" if forked else "fork server of runs"
    if "execute_run" in command:
        return "run worker"
    return next((role for words, role in _ROLES if words in command), "other")
