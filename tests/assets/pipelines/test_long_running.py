"""The sensor requests one run for each execution that waits for Dagster, and the run executes it."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from imageflow_assets.pipelines.sensors import EXECUTION_TAG, execute_long_running
from imageflow_clients.stores import Stores
from imageflow_domain.executions import ExecutionRecord, ExecutionState, Priority
from imageflow_executions.history import cancel_execution, get_execution
from imageflow_executions.months import prepare_months
from tests.assets.runs import ended, evaluate, execute
from tests.executions.starts import small, started


@pytest.fixture
def record(stores: Stores) -> Iterator[ExecutionRecord]:
    prepare_months(stores)
    made = started(stores, {**small(), "long_running": True}, priority=Priority.HIGH)
    yield made
    if not state(stores, made).is_end:
        cancel_execution(stores, made.id)


def state(stores: Stores, record: ExecutionRecord) -> ExecutionState:
    return get_execution(stores, record.id).record.state


def asked(instance: dg.DagsterInstance, stores: Stores) -> list[dg.RunRequest]:
    result: Any = evaluate(execute_long_running, instance, stores)
    return [] if isinstance(result, dg.SkipReason) else list(result.run_requests or ())


def test_one_run_is_requested_until_it_is_there_and_executes_the_pipeline(
    instance: dg.DagsterInstance, stores: Stores, record: ExecutionRecord
) -> None:
    (request,) = asked(instance, stores)
    assert [each.run_key for each in asked(instance, stores)] == [request.run_key]
    assert (request.tags[EXECUTION_TAG], request.tags["dagster/priority"]) == (f"{record.id}/1", "1")
    done = execute(instance, stores, request)
    assert done.success
    assert done.output_for_node("execute_pipeline") == "completed"
    assert state(stores, record) is ExecutionState.COMPLETED
    assert asked(instance, stores) == []


def test_a_run_that_goes_on_is_not_requested_again(
    instance: dg.DagsterInstance, stores: Stores, record: ExecutionRecord
) -> None:
    (request,) = asked(instance, stores)
    ended(instance, request, dg.DagsterRunStatus.QUEUED)
    assert asked(instance, stores) == []


def test_an_execution_whose_run_was_cancelled_before_it_began_is_cancelled(
    instance: dg.DagsterInstance, stores: Stores, record: ExecutionRecord
) -> None:
    (request,) = asked(instance, stores)
    ended(instance, request, dg.DagsterRunStatus.CANCELED)
    assert asked(instance, stores) == []
    assert state(stores, record) is ExecutionState.CANCELLED


def test_an_execution_fails_after_three_runs_that_did_not_begin_it(
    instance: dg.DagsterInstance, stores: Stores, record: ExecutionRecord
) -> None:
    keys = []
    for _ in range(3):
        (request,) = asked(instance, stores)
        keys.append(request.run_key)
        ended(instance, request, dg.DagsterRunStatus.FAILURE)
    assert asked(instance, stores) == []
    assert len(set(keys)) == 3
    found = get_execution(stores, record.id).record
    assert found.state is ExecutionState.FAILED
    assert found.error is not None
    assert found.error.code == "RUN_FAILED"


def test_one_that_its_client_cancels_needs_no_run(
    instance: dg.DagsterInstance, stores: Stores, record: ExecutionRecord
) -> None:
    cancel_execution(stores, record.id)
    assert asked(instance, stores) == []
