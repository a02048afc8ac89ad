"""Real workers of runs, as Dagster's launcher starts them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import psutil
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._grpc.types import ExecuteRunArgs

from imageflow_domain.survey import Survey
from tests.assets.shares import SURVEYS, defs

ROOT = Path(__file__).parents[2]
_REPOSITORY = ReconstructableRepository.for_module("tests.assets.shares", "defs", str(ROOT))


class Worker:
    """A run of the job `survey`, and the process that executes it."""

    def __init__(self, instance: dg.DagsterInstance, home: Path, folder: Path, survey: Survey) -> None:
        self._instance = instance
        self._environment = {
            **os.environ,
            "IMAGEFLOW_HOME": str(home),
            "SHARES_FOLDER": str(folder),
            "IMAGEFLOW_RETRY_WAITS": os.environ.get("IMAGEFLOW_RETRY_WAITS", "0.3 0.3"),
        }
        self.folder = folder
        instance.add_dynamic_partitions(str(SURVEYS.name), [survey.id])
        job = defs.resolve_job_def("survey")
        run = instance.create_run_for_job(
            job,
            tags={"dagster/partition": survey.id},
            job_code_origin=_REPOSITORY.get_reconstructable_job("survey").get_python_origin(),
        )
        self.run_id = run.run_id
        self._start(run)

    def _start(self, run: dg.DagsterRun) -> None:
        assert run.job_code_origin is not None
        arguments = ExecuteRunArgs(
            job_origin=run.job_code_origin, run_id=run.run_id, instance_ref=self._instance.get_ref()
        ).get_command_args()
        self.process = subprocess.Popen([sys.executable, "-m", *arguments], cwd=ROOT, env=self._environment)

    def again_from_failure(self) -> "Worker":
        """Execute again, in another process, what the run did not finish."""
        from dagster._core.execution.plan.resume_retry import ReexecutionStrategy  # noqa: PLC0415

        raise NotImplementedError(ReexecutionStrategy)

    @property
    def run(self) -> dg.DagsterRun:
        run = self._instance.get_run_by_id(self.run_id)
        assert run is not None
        return run

    def cancel(self) -> None:
        """Do what Dagster's terminate does."""
        self._instance.report_run_canceling(self.run)
        self.process.send_signal(2)

    def children(self) -> list[psutil.Process]:
        """Return all processes below the worker."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def begun(self, number: int) -> list[int]:
        """Return the processes that began a share, in order."""
        file = self.folder / f"begun-{number}"
        return [int(line) for line in file.read_text().split()] if file.exists() else []


def until(holds: Callable[[], object], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it never held"
        time.sleep(0.02)
