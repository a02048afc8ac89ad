"""How Dagster's code server starts the workers of runs: as forks of a process that has imported Dagster.

Otherwise each would start from nothing, which takes nearly two seconds of a processor. Modules of this project are not
imported beforehand: a worker loads the code as it is when its run starts.
"""

import ctypes
import signal
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess, SpawnProcess
from multiprocessing.process import BaseProcess
from typing import Any

from dagster._grpc.impl import start_run_in_subprocess
from typing_extensions import override

PRELOADED = (
    "dagster._grpc.impl",
    "dagster_postgres",
    "pydantic_settings",
    "sqlalchemy.dialects.postgresql.psycopg",
    "structlog",
    "PIL.Image",
    "zxingcpp",
)
"""What workers import and what starts no thread, as numpy and OpenCV do: a fork would copy a lock that stays closed."""

_PR_SET_PDEATHSIG = 1


class _RunWorker(ForkServerProcess):
    @override
    def run(self) -> None:
        # The code server hears from the server of forks how its workers end: without it, it takes them for dead.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        super().run()


def fork_run_workers() -> None:
    """Let Dagster's code server fork run workers, in the process that calls this.

    Dagster has no setting for it: its code server takes the context "spawn", whose other processes stay as they are.
    """
    get_context("forkserver").set_forkserver_preload(list(PRELOADED))
    get_context("spawn").Process = _process  # type: ignore[misc, assignment]


def _process(group: None = None, target: Callable[..., object] | None = None, **options: Any) -> BaseProcess:
    kind = _RunWorker if target is start_run_in_subprocess else SpawnProcess
    return kind(group, target, **options)
