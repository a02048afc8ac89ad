"""Runs in process and in child processes: they use the slots they may, and end, however they are ended."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise, product
from pathlib import Path
from statistics import median

import dagster as dg
import psutil
import pytest

from imageflow_clients.database.core import heartbeats
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_resources.storage import load_instance
from imageflow_surveys.shares import SMALL_SURVEY
from tests.assets.shares import POOL, SHARES
from tests.assets.workers import Worker, in_a_terminal, until
from tests.game_capture.conftest import need
from tests.surveys.cities import city, planned
from tests.thorough import repeated

LARGE = "13x10"
SMALL = "3x3"
SLOTS = 2

Start = Callable[..., Worker]


@pytest.fixture
def instance(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The instance of these tests, which workers find by their environment."""
    assert settings.database_url is not None
    monkeypatch.setenv("IMAGEFLOW_HOME", str(settings.home))
    monkeypatch.setenv("IMAGEFLOW_DATABASE_URL", settings.database_url.get_secret_value())
    with load_instance(settings) as loaded:
        loaded.event_log_storage.set_concurrency_slots(POOL, SLOTS)
        yield loaded
        loaded.event_log_storage.delete_concurrency_limit(POOL)


@pytest.fixture
def start(instance: dg.DagsterInstance, stores: Stores, tmp_path: Path) -> Iterator[Start]:
    """Start workers of runs of surveys; none of their processes outlives the test."""
    workers: list[Worker] = []

    def begin(grid: str, *, waits: str = "0.3 0.3") -> Worker:
        number = len(list(instance.get_runs()))
        survey = planned(stores, city(f"run_{number}", grid=grid))
        workers.append(Worker(instance, tmp_path, survey, waits))
        return workers[-1]

    yield begin
    for worker in workers:
        worker.process.kill()
        worker.process.wait()


def _pools(instance: dg.DagsterInstance) -> tuple[int, int]:
    """Return how many slots are taken, and how many steps wait for one."""
    info = instance.event_log_storage.get_concurrency_info(POOL)
    return info.active_slot_count, info.pending_step_count


def _spans(folder: Path) -> list[tuple[float, float]]:
    return [(float(name[2]), float(name[3])) for name in (path.name.split("-") for path in folder.glob("done-*"))]


def _most_at_once(spans: list[tuple[float, float]]) -> int:
    return max(sum(begin <= instant < end for begin, end in spans) for instant, _ in spans)


def _blocks(instance: dg.DagsterInstance, run_id: str) -> object:
    (entry,) = [
        each.asset_materialization
        for each in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        if each.asset_materialization is not None and each.asset_materialization.asset_key == dg.AssetKey("shared")
    ]
    return entry.metadata["blocks"].value


def _gone(processes: list[psutil.Process]) -> bool:
    return not [process for process in processes if _status(process) not in (None, "zombie")]


def _status(process: psutil.Process) -> str | None:
    """Return what a process does; `None` once it is gone, and its number is free or another's."""
    try:
        return process.status() if process.is_running() else None
    except psutil.NoSuchProcess:
        return None


def _cpu_s(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _steps(worker: Worker) -> list[psutil.Process]:
    """Return the children that work at shares."""
    pids = {pid for number in range(SHARES) for pid in worker.begun(number)}
    return [process for process in worker.children() if process.pid in pids]


def test_a_small_survey_is_executed_by_its_worker_alone(instance: dg.DagsterInstance, start: Start) -> None:
    worker = start(SMALL)
    assert worker.process.wait() == 0
    assert worker.run.status is dg.DagsterRunStatus.SUCCESS
    assert {pid for number in range(SHARES) for pid in worker.begun(number)} == {worker.process.pid}
    assert _blocks(instance, worker.run_id) == 2 * SHARES
    assert _pools(instance) == (0, 0)


def test_a_large_survey_uses_all_slots_by_children_that_do_many_steps(
    instance: dg.DagsterInstance, start: Start, tmp_path: Path
) -> None:
    columns, rows = map(int, LARGE.split("x"))
    assert columns * rows > SMALL_SURVEY
    (tmp_path / "slow").touch()
    worker = start(LARGE)
    until(lambda: worker.begun(0) and worker.begun(1))  # a child may start late, on a busy machine
    (tmp_path / "slow").unlink()
    assert worker.process.wait() == 0
    assert worker.run.status is dg.DagsterRunStatus.SUCCESS
    steps = Counter(pid for number in range(SHARES) for pid in worker.begun(number))
    assert worker.process.pid not in steps
    assert len(steps) == SLOTS
    assert _most_at_once(_spans(tmp_path)) == SLOTS
    assert _blocks(instance, worker.run_id) == 2 * SHARES
    assert _pools(instance) == (0, 0)


def test_a_step_in_a_warm_child_costs_a_fifth_of_a_processor_s_second_at_most(
    instance: dg.DagsterInstance, start: Start, tmp_path: Path
) -> None:
    instance.event_log_storage.set_concurrency_slots(POOL, 1)
    (tmp_path / "work_s").write_text("0")
    worker = start(LARGE)
    assert worker.process.wait() == 0
    assert len({worker.begun(number)[0] for number in range(SHARES)}) == 1
    assert median(later - earlier for earlier, later in pairwise(worker.cpu_s())) < 0.2


@pytest.mark.parametrize("grid", [SMALL, LARGE])
def test_a_run_that_waits_for_a_slot_rests_and_takes_it_soon(
    grid: str, instance: dg.DagsterInstance, start: Start, stores: Stores, tmp_path: Path
) -> None:
    storage = instance.event_log_storage
    for number in range(SLOTS):
        assert storage.claim_concurrency_slot(POOL, "somebody-else", f"work-{number}").is_claimed
    worker = start(grid)
    until(lambda: _pools(instance)[1] == 1)
    time.sleep(1)
    processes = [psutil.Process(worker.process.pid), *worker.children()]
    before = _cpu_s(processes)
    time.sleep(6)
    assert _cpu_s(processes) - before < 0.6
    assert _pools(instance) == (SLOTS, 1)
    with stores.database.begin() as connection:
        silence_s = heartbeats.silent_for_s(connection, worker.run_id)
    assert silence_s is not None
    assert silence_s < 6
    freed = time.monotonic()
    storage.free_concurrency_slots_for_run("somebody-else")
    until(lambda: worker.begun(0))
    begun = time.monotonic()
    assert worker.process.wait() == 0
    if grid == SMALL:  # the first child is at hand as well, and the second has to start
        assert begun - freed < 1
    assert worker.run.status is dg.DagsterRunStatus.SUCCESS


def _wait_at_pool(worker: Worker, instance: dg.DagsterInstance) -> None:
    storage = instance.event_log_storage
    for number in range(SLOTS):
        storage.claim_concurrency_slot(POOL, "somebody-else", f"work-{number}")
    until(lambda: _pools(instance)[1] == 1)


def _wait_for_retry(worker: Worker, instance: dg.DagsterInstance) -> None:
    (worker.folder / "down-0").touch()
    until(lambda: instance.all_logs(worker.run_id, of_type=dg.DagsterEventType.STEP_UP_FOR_RETRY))
    until(lambda: len(list(worker.folder.glob("done-*"))) == SHARES - 1)


def _work(worker: Worker, instance: dg.DagsterInstance) -> None:
    (worker.folder / "slow").touch()
    until(lambda: worker.begun(0))


def _work_deaf(worker: Worker, instance: dg.DagsterInstance) -> None:
    (worker.folder / "deaf").touch()
    until(lambda: worker.begun(0))


@pytest.mark.parametrize(
    ("grid", "meanwhile"),
    repeated(
        [(SMALL, _wait_for_retry), (SMALL, _work), (LARGE, _wait_at_pool), (LARGE, _work_deaf)],
        thorough=[*product((SMALL, LARGE), (_wait_at_pool, _wait_for_retry, _work)), (LARGE, _work_deaf)],
    ),
)
def test_a_cancelled_run_ends_within_two_seconds_as_cancelled_and_frees_its_slots(
    grid: str, meanwhile: Callable[[Worker, dg.DagsterInstance], None], instance: dg.DagsterInstance, start: Start
) -> None:
    worker = start(grid, waits="60")
    meanwhile(worker, instance)
    below = worker.children()
    cancelled = time.monotonic()
    worker.cancel()
    until(lambda: worker.run.status is not dg.DagsterRunStatus.CANCELING)
    took_s = time.monotonic() - cancelled
    instance.event_log_storage.free_concurrency_slots_for_run("somebody-else")
    assert worker.run.status is dg.DagsterRunStatus.CANCELED
    assert took_s < 2
    assert _pools(instance) == (0, 0)
    worker.process.wait(10)
    until(lambda: _gone(below), timeout_s=5)


def test_what_may_pass_is_tried_again_in_a_child(instance: dg.DagsterInstance, start: Start, tmp_path: Path) -> None:
    (tmp_path / "down-3").touch()
    worker = start(LARGE, waits="1 1 1")
    until(lambda: len(worker.begun(3)) == 2)
    (tmp_path / "down-3").unlink()
    assert worker.process.wait() == 0
    assert worker.run.status is dg.DagsterRunStatus.SUCCESS
    assert _blocks(instance, worker.run_id) == 2 * SHARES


def test_a_child_that_is_killed_costs_one_more_attempt_of_its_step(
    instance: dg.DagsterInstance, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "slow").touch()
    worker = start(LARGE)
    until(lambda: worker.begun(0) and worker.begun(1))
    os.kill(worker.begun(0)[0], signal.SIGKILL)
    (tmp_path / "slow").unlink()
    assert worker.process.wait() == 0
    assert worker.run.status is dg.DagsterRunStatus.SUCCESS
    assert [len(worker.begun(number)) for number in range(SHARES)] == [2, *[1] * (SHARES - 1)]
    (entry,) = instance.all_logs(worker.run_id, of_type=dg.DagsterEventType.STEP_UP_FOR_RETRY)
    assert entry.dagster_event is not None
    error = entry.dagster_event.step_retry_data.error
    assert error is not None
    assert f"process {worker.begun(0)[0]} was killed by signal 9, perhaps for want of memory" in error.message
    assert _pools(instance) == (0, 0)


def test_a_step_whose_children_are_always_killed_fails_in_words_and_goes_on_from_there_in_another_process(
    instance: dg.DagsterInstance, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "deadly-2").touch()
    worker = start(LARGE)
    assert worker.process.wait() == 0
    assert worker.run.status is dg.DagsterRunStatus.FAILURE
    assert len(worker.begun(2)) == 3
    (entry,) = instance.all_logs(worker.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    assert entry.dagster_event is not None
    said = entry.dagster_event.step_failure_data.user_failure_data
    assert said is not None
    assert "was killed by signal 9, perhaps for want of memory" in str(said.description)
    assert len(list(tmp_path.glob("done-*"))) == SHARES - 1
    assert _pools(instance) == (0, 0)
    (tmp_path / "deadly-2").unlink()
    worker.again_from_failure()
    (again,) = [run for run in instance.get_runs() if run.parent_run_id == worker.run_id]
    assert again.status is dg.DagsterRunStatus.SUCCESS
    assert [len(worker.begun(number)) for number in range(SHARES)] == [1, 1, 4, 1, 1, 1]
    assert worker.begun(2)[-1] != worker.process.pid
    assert _blocks(instance, again.run_id) == 2 * SHARES


def test_a_share_that_is_wrong_fails_the_run_at_once_and_the_others_are_done(
    instance: dg.DagsterInstance, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "wrong-1").touch()
    worker = start(LARGE)
    assert worker.process.wait() == 0
    assert worker.run.status is dg.DagsterRunStatus.FAILURE
    assert len(worker.begun(1)) == 1
    assert len(list(tmp_path.glob("done-*"))) == SHARES - 1


@pytest.mark.parametrize("busy", repeated(["busy"], thorough=["slow", "busy"]))
def test_children_end_within_a_second_of_a_worker_that_is_killed(
    busy: str, instance: dg.DagsterInstance, start: Start, tmp_path: Path
) -> None:
    (tmp_path / busy).touch()
    worker = start(LARGE)
    until(lambda: worker.begun(0) and worker.begun(1))
    working = _steps(worker)
    below = worker.children()
    assert len(working) == SLOTS
    worker.process.kill()
    until(lambda: _gone(working), timeout_s=1)
    until(lambda: _gone(below), timeout_s=5)
    instance.report_run_failed(worker.run)
    instance.event_log_storage.free_concurrency_slots_for_run(worker.run_id)


def test_a_run_survives_the_process_that_forks_its_children(
    instance: dg.DagsterInstance, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "slow").touch()
    worker = start(LARGE)
    until(lambda: worker.begun(0))
    until(lambda: worker.begun(1))
    (server,) = [
        child
        for child in worker.children()
        if "forkserver" in " ".join(child.cmdline()) and child.ppid() == worker.process.pid
    ]
    server.kill()
    os.kill(worker.begun(1)[0], signal.SIGKILL)
    until(lambda: worker.begun(2))  # in the slot that is free meanwhile
    (tmp_path / "slow").unlink()
    assert worker.process.wait() == 0
    assert worker.run.status is dg.DagsterRunStatus.SUCCESS
    assert _blocks(instance, worker.run_id) == 2 * SHARES


def test_children_leave_the_processor_to_others(start: Start, tmp_path: Path) -> None:
    (tmp_path / "slow").touch()
    worker = start(LARGE)
    until(lambda: worker.begun(0))
    lowest = 19  # where the tests themselves leave the processor to others
    assert {process.nice() for process in _steps(worker)} == {
        min(lowest, psutil.Process(worker.process.pid).nice() + 10)
    }
    (tmp_path / "slow").unlink()
    assert worker.process.wait() == 0


@pytest.mark.e2e
@pytest.mark.parametrize("killed", ["worker", "child"])
def test_a_game_ends_with_the_child_that_plays_it(
    killed: str, instance: dg.DagsterInstance, start: Start, tmp_path: Path
) -> None:
    need("Xvfb", "xdotool", "openttd")
    (tmp_path / "game").touch()
    worker = start(LARGE)
    until(lambda: len(list(tmp_path.glob("playing-*"))) == SLOTS, timeout_s=120)
    working = _steps(worker)
    played = [process for child in working for process in child.children(recursive=True)]
    assert [process.name() for process in played].count("openttd") == SLOTS
    (tmp_path / "game").unlink()
    if killed == "worker":
        worker.process.kill()
    else:
        for child in working:
            child.kill()
    until(lambda: _gone(played), timeout_s=10)
    worker.process.kill()
    worker.process.wait()
    instance.report_run_failed(worker.run)
    instance.event_log_storage.free_concurrency_slots_for_run(worker.run_id)


@pytest.mark.parametrize("grid", [SMALL, LARGE])
def test_a_run_in_a_terminal_ends_within_two_seconds_of_ctrl_c_as_cancelled(
    grid: str, instance: dg.DagsterInstance, stores: Stores, tmp_path: Path
) -> None:
    (tmp_path / "slow").touch()
    survey = planned(stores, city("terminal", grid=grid))
    with in_a_terminal(instance, tmp_path, survey) as terminal:
        until(lambda: list(tmp_path.glob("begun-*")))
        below = psutil.Process(terminal.pid).children(recursive=True)
        os.killpg(terminal.pid, signal.SIGINT)
        until(lambda: (tmp_path / "returned").exists(), timeout_s=2)
        assert (tmp_path / "returned").read_text() == dg.DagsterRunStatus.CANCELED.value
        assert terminal.wait(30) == 0
    assert _pools(instance) == (0, 0)
    until(lambda: _gone(below), timeout_s=5)


@pytest.mark.parametrize("grid", [SMALL, LARGE])
def test_a_run_in_a_terminal_is_executed_as_any_other(
    grid: str, instance: dg.DagsterInstance, stores: Stores, tmp_path: Path
) -> None:
    survey = planned(stores, city("terminal", grid=grid))
    with in_a_terminal(instance, tmp_path, survey) as terminal:
        assert terminal.wait() == 0
    (run,) = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": survey.id}))
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert _blocks(instance, run.run_id) == 2 * SHARES
    pids = {int(file.read_text().split()[0]) for file in tmp_path.glob("begun-*")}
    assert (terminal.pid in pids) == (grid == SMALL)
    assert len(pids) == (1 if grid == SMALL else SLOTS)
