"""Run workers of a code server are forks: they load the code as it is, and end as spawned ones do."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster._cli.job import _create_run
from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster._core.workspace.load_target import PythonFileTarget

from imageflow_resources.run_workers import PRELOADED
from tests.assets.workers import until

_CODE = """
import os
import time
from pathlib import Path

import dagster as dg

from imageflow_resources.run_workers import fork_run_workers

fork_run_workers()
WORD = "first"
FOLDER = Path(__file__).parent


@dg.op
def say():
    (FOLDER / "said").write_text(f"{os.getpid()} {os.getppid()} {WORD} {os.environ['SAID']}.")
    print("printed", WORD)
    while (FOLDER / "wait").exists():
        time.sleep(0.02)


@dg.job
def saying():
    say()


defs = dg.Definitions(jobs=[saying], executor=dg.in_process_executor)
"""
_LOOK = """
import importlib, os, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
print(len(os.listdir("/proc/self/task")))
print([link for link in links if os.path.exists(link) and "socket" in os.readlink(link)])
print([name for name in sys.modules if name.startswith(("imageflow", "game_capture"))])
"""
_ENDS = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


@dataclass(frozen=True)
class Begun:
    """A run, its worker, that one's parent, and what its step said."""

    instance: dg.DagsterInstance
    run_id: str
    worker: psutil.Process
    forks: psutil.Process
    words: list[str]

    def end(self) -> dg.DagsterRunStatus:
        """Return how it has ended."""
        until(lambda: self._status in _ENDS)
        return self._status

    def log(self) -> str:
        """Return what Dagster's log of the run says."""
        return "\n".join(entry.message for entry in self.instance.all_logs(self.run_id))

    def printed(self) -> str:
        """Return what its steps wrote to standard output."""
        (captured,) = self.instance.all_logs(self.run_id, of_type=dg.DagsterEventType.LOGS_CAPTURED)
        assert captured.dagster_event is not None
        logs = self.instance.compute_log_manager
        key = logs.build_log_key_for_run(self.run_id, captured.dagster_event.logs_captured_data.file_key)  # type: ignore[no-untyped-call]
        return (logs.get_log_data(key).stdout or b"").decode()

    @property
    def _status(self) -> dg.DagsterRunStatus:
        run = self.instance.get_run_by_id(self.run_id)
        assert run is not None
        return run.status


@dataclass(frozen=True)
class Code:
    """A code server of a file, which may be changed, and an instance whose runs it executes."""

    folder: Path
    workspace: WorkspaceRequestContext

    @property
    def instance(self) -> dg.DagsterInstance:
        return self.workspace.instance

    @property
    def file(self) -> Path:
        return self.folder / "code.py"

    def begin(self) -> Begun:
        """Launch a run; return it once its step has begun."""
        said = self.folder / "said"
        said.unlink(missing_ok=True)
        (location,) = self.workspace.code_locations
        (repository,) = location.get_repositories().values()
        run = _create_run(self.instance, location, repository, repository.get_full_job("saying"), {}, {}, None, None)
        self.instance.launch_run(run.run_id, self.workspace)
        until(lambda: said.exists() and said.read_text().endswith("."))
        worker, forks, *words = said.read_text().split()
        return Begun(self.instance, run.run_id, psutil.Process(int(worker)), psutil.Process(int(forks)), words)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let steps wait for the end of a `with` block."""
        wait = self.folder / "wait"
        wait.touch()
        yield
        wait.unlink()


@contextmanager
def _served(folder: Path) -> Iterator[Code]:
    (folder / "code.py").write_text(_CODE)
    target = PythonFileTarget(str(folder / "code.py"), attribute=None, working_directory=None, location_name="code")
    with (
        dg.DagsterInstance.local_temp(str(folder)) as instance,
        pytest.MonkeyPatch.context() as monkeypatch,
    ):
        monkeypatch.setenv("SAID", "by_the_environment")
        with WorkspaceProcessContext(instance, target) as context:
            yield Code(folder, context.create_request_context())


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Code]:
    with _served(tmp_path_factory.mktemp("code")) as served:
        yield served


def test_what_is_imported_beforehand_starts_no_thread_opens_no_connection_and_is_not_ours() -> None:
    looked = subprocess.run([sys.executable, "-c", _LOOK, *PRELOADED], capture_output=True, text=True, check=True)
    assert looked.stdout.splitlines() == ["1", "[]", "[]"]


def test_workers_are_forks_of_one_process_that_has_one_thread(code: Code) -> None:
    one, other = code.begin(), code.begin()
    assert [begun.end() for begun in (one, other)] == [dg.DagsterRunStatus.SUCCESS] * 2
    assert one.forks == other.forks
    assert one.worker != other.worker
    assert one.forks.num_threads() == 1
    assert "multiprocessing.forkserver" in " ".join(one.forks.cmdline())


def test_a_worker_loads_the_code_as_it_is_by_now_has_the_environment_and_logs_of_its_own(code: Code) -> None:
    before = code.begin()
    code.file.write_text(_CODE.replace('"first"', '"changed"'))
    try:
        after = code.begin()
        assert [begun.end() for begun in (before, after)] == [dg.DagsterRunStatus.SUCCESS] * 2
    finally:
        code.file.write_text(_CODE)
    assert [begun.words for begun in (before, after)] == [
        ["first", "by_the_environment."],
        ["changed", "by_the_environment."],
    ]
    assert [begun.printed() for begun in (before, after)] == ["printed first\n", "printed changed\n"]


def test_a_worker_that_is_killed_is_reported_with_its_signal(code: Code) -> None:
    with code.waiting():
        begun = code.begin()
        begun.worker.kill()
        assert begun.end() is dg.DagsterRunStatus.FAILURE
    assert "terminated by signal 9 (SIGKILL)" in begun.log()


def test_a_cancelled_run_ends_as_cancelled_and_its_worker_with_it(code: Code) -> None:
    with code.waiting():
        begun = code.begin()
        assert code.instance.run_launcher.terminate(begun.run_id)
        assert begun.end() is dg.DagsterRunStatus.CANCELED
        begun.worker.wait(10)


def test_a_server_of_forks_that_is_killed_takes_its_workers_along_and_the_next_run_has_another(code: Code) -> None:
    with code.waiting():
        begun = code.begin()
        begun.forks.kill()
        begun.worker.wait(10)
        assert begun.end() is dg.DagsterRunStatus.FAILURE
    again = code.begin()
    assert again.end() is dg.DagsterRunStatus.SUCCESS
    assert again.forks != begun.forks


def test_a_worker_outlives_a_code_server_that_is_killed_and_the_server_of_forks_ends_after_it(tmp_path: Path) -> None:
    with _served(tmp_path) as code:
        with code.waiting():
            begun = code.begin()
            server = begun.forks.parent()
            assert server is not None
            assert "grpc" in server.cmdline()
            server.kill()
            server.wait(10)
            assert begun.worker.is_running()
        assert begun.end() is dg.DagsterRunStatus.SUCCESS
        begun.forks.wait(10)
