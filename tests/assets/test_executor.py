"""A run that waits for a slot of its pool leaves the processor to others, and hears that it is cancelled."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.plan.active import ActiveExecution

from imageflow_assets.executor import by_size_executor
from imageflow_clients.settings import Settings
from imageflow_resources.storage import load_instance

_POOL = "narrow"
_OTHER = "somebody-else"


@dg.op(pool=_POOL)
def work() -> None:
    """Need the slot."""


@dg.job(executor_def=by_size_executor)
def working() -> None:
    """Need the slot, in a run that Dagster's own in-process executor would keep a core busy for."""
    work()


@pytest.fixture
def taken(home: Path) -> Iterator[dg.DagsterInstance]:
    """An instance where somebody else has the only slot."""
    with load_instance(Settings(home=home)) as instance:
        storage = instance.event_log_storage
        storage.set_concurrency_slots(_POOL, 1)
        assert storage.claim_concurrency_slot(_POOL, _OTHER, "work").is_claimed
        yield instance
        storage.free_concurrency_slots_for_run(_OTHER)
        storage.delete_concurrency_limit(_POOL)


def test_a_waiting_run_looks_twice_a_second(taken: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    look = ActiveExecution.get_next_step
    monkeypatch.setattr(ActiveExecution, "get_next_step", lambda self: looks.append(time.monotonic()) or look(self))
    leave = threading.Timer(3.0, taken.event_log_storage.free_concurrency_slots_for_run, [_OTHER])
    leave.start()
    with dg.execute_job(dg.reconstructable(working), instance=taken) as result:
        assert result.success
    leave.join()
    assert looks[-1] - looks[0] > 1
    assert len(looks) < 2 + (looks[-1] - looks[0]) / 0.5


def test_a_waiting_run_ends_when_it_is_cancelled(taken: dg.DagsterInstance, home: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(home,))
    process.start()
    while taken.event_log_storage.get_concurrency_info(_POOL).pending_step_count == 0:
        assert process.is_alive()
        time.sleep(0.1)
    (run,) = taken.get_runs(dg.RunsFilter(job_name="working", statuses=[dg.DagsterRunStatus.STARTED]))
    taken.report_run_canceling(run)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGINT)
    process.join(60)
    assert process.exitcode == 0
    ended = taken.get_run_by_id(run.run_id)
    assert ended is not None
    assert ended.status is dg.DagsterRunStatus.CANCELED
    assert taken.event_log_storage.get_concurrency_info(_POOL).pending_step_count == 0


def _run(home: Path) -> None:
    with load_instance(Settings(home=home)) as instance, dg.execute_job(dg.reconstructable(working), instance=instance):
        pass
