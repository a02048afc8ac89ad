"""Real workers of runs: each a process of its own, as Dagster's launcher starts them.

They are forked by a process that has imported the definitions once, which saves each worker two seconds of imports.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType

import dagster as dg
import psutil
from dagster._cli import create_dagster_cli
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.remote_origin import RemoteJobOrigin
from dagster._grpc.types import ExecuteRunArgs

from imageflow_assets.running import execute
from imageflow_clients.settings import Settings
from imageflow_domain.survey import Survey
from imageflow_resources.storage import load_instance
from tests.assets.shares import SURVEYS, defs
from tests.assets.shares import folder as shares_folder

ROOT = Path(__file__).parents[2]
JOB = ReconstructableRepository.for_module("tests.assets.shares", "defs", str(ROOT)).get_reconstructable_job("survey")
_FORKS = get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])


class Forked:
    """A process that calls a function of this module."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """`None` while it goes on; below zero the signal that killed it."""
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        if self._process.is_alive():
            os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout_s: float | None = None) -> int:
        """Return its exit status, which it has within `timeout_s`."""
        self._process.join(timeout_s)
        assert self._process.exitcode is not None, "it goes on"
        return self._process.exitcode


def _forked(target: Callable[..., None], *arguments: object, **environment: str) -> Forked:
    given = {**os.environ, **environment}
    return Forked(_FORKS.Process(target=_call, args=(target, arguments, given)))


def _call(target: Callable[..., None], arguments: tuple[object, ...], environment: dict[str, str]) -> None:
    # The main module of the tests is not a worker's: each of its children would import it.
    sys.modules["__main__"] = ModuleType("__main__")
    os.environ.clear()
    os.environ.update(environment)
    target(*arguments)


def _dagster(arguments: list[str]) -> None:
    create_dagster_cli().main(arguments)


def call_dagster(arguments: list[str], environment: Mapping[str, str]) -> Forked:
    """Start a process of Dagster's command line, as its pods do."""
    return _forked(_dagster, arguments, **environment)


class Worker:
    """A run of the job `survey`, and the process that executes it."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        folder: Path,
        survey: Survey,
        waits: str,
        *,
        origin: RemoteJobOrigin | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self._instance = instance
        self._environment = {"SHARES_FOLDER": str(folder), "IMAGEFLOW_RETRY_WAITS": waits}
        self.folder = folder
        instance.add_dynamic_partitions(str(SURVEYS.name), [survey.id])
        run = instance.create_run_for_job(
            defs().resolve_job_def("survey"),
            tags={**(tags or {}), "dagster/partition": survey.id},
            job_code_origin=JOB.get_python_origin(),
            remote_job_origin=origin,
        )
        assert run.job_code_origin is not None
        self.run_id = run.run_id
        command = ExecuteRunArgs(
            job_origin=run.job_code_origin, run_id=run.run_id, instance_ref=instance.get_ref()
        ).get_command_args()
        self.process = _forked(_dagster, command[1:], **self._environment)

    def again_from_failure(self) -> None:
        """Execute in another process what the run did not finish."""
        assert _forked(again, self.run_id, **self._environment).wait() == 0

    @property
    def run(self) -> dg.DagsterRun:
        run = self._instance.get_run_by_id(self.run_id)
        assert run is not None
        return run

    def cancel(self) -> None:
        """Do what Dagster's terminate does."""
        self._instance.report_run_canceling(self.run)
        self.process.send_signal(signal.SIGINT)

    def children(self) -> list[psutil.Process]:
        """Return all processes below the worker."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def begun(self, number: int) -> list[int]:
        """Return the processes that began a share, in order."""
        file = self.folder / f"begun-{number}"
        return [int(line.split()[0]) for line in file.read_text().splitlines()] if file.exists() else []

    def cpu_s(self) -> list[float]:
        """Return what each share's process had used of a processor when it began the share, in order."""
        return sorted(float(file.read_text().split()[1]) for file in self.folder.glob("begun-*"))


@contextmanager
def in_a_terminal(instance: dg.DagsterInstance, folder: Path, survey: Survey) -> Iterator[Forked]:
    """Execute a survey's run as the command line does, in the foreground of a terminal of its own."""
    instance.add_dynamic_partitions(str(SURVEYS.name), [survey.id])
    terminal = _forked(_here, survey.id, SHARES_FOLDER=str(folder))
    try:
        yield terminal
    finally:
        terminal.send_signal(signal.SIGKILL)


def _here(survey: str) -> None:
    """Materialise a survey's assets; write in the file `returned` how the run ended."""
    os.setsid()
    with load_instance(Settings()) as instance:
        run = execute(instance, JOB, survey, {}).dagster_run
    unfinished = shares_folder() / "returned.unfinished"
    unfinished.write_text(run.status.value)
    unfinished.rename(shares_folder() / "returned")


def until(holds: Callable[[], object], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it never held"
        time.sleep(0.02)


def again(run_id: str) -> None:
    """Execute a run's job from where it failed."""
    with load_instance(Settings()) as instance:
        parent = instance.get_run_by_id(run_id)
        assert parent is not None
        partition = {"dagster/partition": parent.tags["dagster/partition"]}
        options = dg.ReexecutionOptions.from_failure(run_id, instance)
        with dg.execute_job(JOB, instance=instance, tags=partition, reexecution_options=options) as result:
            assert result.success
