"""Real workers of runs, as Dagster's launcher starts them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import psutil
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._grpc.types import ExecuteRunArgs

from imageflow_assets.running import execute
from imageflow_clients.settings import Settings
from imageflow_domain.survey import Survey
from imageflow_resources.storage import load_instance
from tests.assets.shares import SURVEYS, defs
from tests.assets.shares import folder as shares_folder

ROOT = Path(__file__).parents[2]
JOB = ReconstructableRepository.for_module("tests.assets.shares", "defs", str(ROOT)).get_reconstructable_job("survey")


class Worker:
    """A run of the job `survey`, and the process that executes it."""

    def __init__(self, instance: dg.DagsterInstance, home: Path, folder: Path, survey: Survey, waits: str) -> None:
        self._instance = instance
        self._environment = {
            **os.environ,
            "IMAGEFLOW_HOME": str(home),
            "SHARES_FOLDER": str(folder),
            "IMAGEFLOW_RETRY_WAITS": waits,
        }
        self.folder = folder
        instance.add_dynamic_partitions(str(SURVEYS.name), [survey.id])
        run = instance.create_run_for_job(
            defs.resolve_job_def("survey"),
            tags={"dagster/partition": survey.id},
            job_code_origin=JOB.get_python_origin(),
        )
        assert run.job_code_origin is not None
        self.run_id = run.run_id
        command = ExecuteRunArgs(
            job_origin=run.job_code_origin, run_id=run.run_id, instance_ref=instance.get_ref()
        ).get_command_args()
        self.process = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, env=self._environment)

    def again_from_failure(self) -> None:
        """Execute in another process what the run did not finish."""
        again = f"from tests.assets.workers import again; again({self.run_id!r})"
        subprocess.run([sys.executable, "-c", again], cwd=ROOT, env=self._environment, check=True)

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


def in_a_terminal(instance: dg.DagsterInstance, home: Path, folder: Path, survey: Survey) -> subprocess.Popen[bytes]:
    """Execute a survey's run as the command line does, in the foreground of a terminal of its own."""
    instance.add_dynamic_partitions(str(SURVEYS.name), [survey.id])
    environment = {**os.environ, "IMAGEFLOW_HOME": str(home), "SHARES_FOLDER": str(folder)}
    here = f"from tests.assets.workers import here; here({survey.id!r})"
    return subprocess.Popen([sys.executable, "-c", here], cwd=ROOT, env=environment, start_new_session=True)


def here(survey: str) -> None:
    """Materialise a survey's assets; write in the file `returned` how the run ended."""
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
