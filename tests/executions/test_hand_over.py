"""Executions of long-running pipelines: no engine takes them, a run executes them, and to clients they are the same."""

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, suppress
from typing import Any

import pytest
from sqlalchemy import text

from imageflow_clients.database.core import events
from imageflow_clients.database.executions import queue
from imageflow_clients.step_process import StepProcesses
from imageflow_clients.stores import Stores
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import Cancelled
from imageflow_domain.events import BEGINNING
from imageflow_domain.execution_events import subject_of
from imageflow_domain.executions import ExecutionRecord, ExecutionState
from imageflow_engine.resident import Resident
from imageflow_executions.hand_over import execute_handed_over, give_up, list_handed_over
from imageflow_executions.history import cancel_execution, get_execution
from imageflow_executions.leases import take_handed_over
from imageflow_pipelines.engine import Engine
from tests.executions.starts import ended, hanging, small, started, until_running

Running = Callable[..., AbstractContextManager[Resident]]


def long(spec: dict[str, Any]) -> dict[str, Any]:
    return {**spec, "long_running": True}


def execute(
    stores: Stores, record: ExecutionRecord, cancellation: Cancellation | None = None, *, run: str = "run"
) -> ExecutionRecord:
    stop = cancellation or Cancellation()
    with StepProcesses() as processes, Engine(isolation=processes) as engine:
        return execute_handed_over(stores, record.id, engine, run=run, cancellation=stop, log_lines=10)


def waiting(stores: Stores) -> dict[uuid.UUID, str]:
    return {each.execution: each.key for each in list_handed_over(stores)}


def changes(stores: Stores, execution: uuid.UUID) -> list[tuple[str, str]]:
    with stores.database.begin() as connection:
        log = events.read_subject(connection, subject_of(execution), after=BEGINNING, limit=100)
    return [
        (str(one.event.data.get("step", "")), str(one.event.data.get("status") or one.event.data["state"]))
        for one in log
    ]


def test_a_run_gives_what_an_engine_gives_with_the_same_changes(stores: Stores, running: Running) -> None:
    by_run = started(stores, long(small()))
    with running():
        by_engine = ended(stores, started(stores).id)
        assert get_execution(stores, by_run.id).record.state is ExecutionState.QUEUED
    assert waiting(stores) == {by_run.id: f"{by_run.id}/1"}
    record = execute(stores, by_run)
    assert record.state is ExecutionState.COMPLETED
    assert {name: made and made.sha256 for name, made in record.outputs.items()} == {
        name: made and made.sha256 for name, made in by_engine.record.outputs.items()
    }
    steps = get_execution(stores, by_run.id).steps
    assert [(step.step, step.status) for step in steps] == [(step.step, step.status) for step in by_engine.steps]
    assert sorted(changes(stores, by_run.id)) == sorted(changes(stores, by_engine.record.id))
    assert waiting(stores) == {}


def test_a_second_run_leaves_an_execution_that_was_taken_alone(stores: Stores) -> None:
    record = started(stores, long(small()))
    assert execute(stores, record).attempt == 1
    assert execute(stores, record, run="another") == execute(stores, record)
    assert changes(stores, record.id)[-1] == ("", "completed")


def test_a_run_waits_for_a_cancellation_that_is_taken_back(stores: Stores) -> None:
    record = started(stores, long(small()))
    with ThreadPoolExecutor(1) as pool:
        with suppress(Cancelled), stores.database.begin() as cancelling:
            queue.ask_to_cancel(cancelling, record.id)
            taken = pool.submit(take_handed_over, stores, "run", record.id)
            assert wait([taken], timeout=0.5).not_done
            raise Cancelled("taken back")
        assert taken.result() is not None


def test_a_client_cancels_one_that_a_run_executes_within_two_seconds(stores: Stores) -> None:
    record = started(stores, long(hanging()))
    thread = threading.Thread(target=execute, args=(stores, record))
    thread.start()
    until_running(stores, record.id, "decode")
    begun_s = time.monotonic()
    cancel_execution(stores, record.id)
    thread.join()
    assert time.monotonic() - begun_s < 3
    assert get_execution(stores, record.id).record.state is ExecutionState.CANCELLED


def test_an_operator_who_cancels_the_run_cancels_the_execution(stores: Stores) -> None:
    record, stop = started(stores, long(hanging())), Cancellation()
    thread = threading.Thread(target=execute, args=(stores, record, stop))
    thread.start()
    until_running(stores, record.id, "decode")
    stop.cancel()
    thread.join()
    assert get_execution(stores, record.id).record.state is ExecutionState.CANCELLED


def test_a_run_that_was_cancelled_before_takes_nothing(stores: Stores) -> None:
    record, stop = started(stores, long(small())), Cancellation()
    stop.cancel()
    with pytest.raises(Cancelled):
        execute(stores, record, stop)
    assert get_execution(stores, record.id).record.state is ExecutionState.QUEUED
    cancel_execution(stores, record.id)


def test_one_whose_run_was_lost_waits_for_another_with_a_new_key(stores: Stores) -> None:
    record = started(stores, long(small()))
    assert take_handed_over(stores, "lost", record.id) is not None
    with stores.database.begin() as connection:
        expire = text("UPDATE execution_leases SET until = now() - interval '1 s' WHERE execution_id = :id")
        connection.execute(expire, {"id": record.id})
    assert waiting(stores) == {}  # it pauses
    with stores.database.begin() as connection:
        connection.execute(text("UPDATE execution_queue SET not_before = now()"))
    assert waiting(stores) == {record.id: f"{record.id}/2"}
    assert execute(stores, record).attempt == 2
    assert changes(stores, record.id)[2] == ("", "queued")


def test_one_whose_runs_all_failed_fails_with_the_reason(stores: Stores) -> None:
    record = started(stores, long(small()))
    assert give_up(stores, record.id, "Run 1 failed: no node has room.")
    found = get_execution(stores, record.id).record
    assert found.state is ExecutionState.FAILED
    assert found.error is not None
    assert (found.error.code, found.error.message) == ("RUN_FAILED", "Run 1 failed: no node has room.")
    assert changes(stores, record.id)[-1] == ("", "failed")
    assert not give_up(stores, record.id, "again")
