"""Runs and steps that are stopped: by a person, or by a deadline."""

import threading
import time

import pytest

from imageflow_clients.step_process import StepProcesses
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import Cancelled
from imageflow_pipelines.engine import Engine
from imageflow_pipelines.execution import Execution, StepStatus
from imageflow_pipelines.spec import PipelineSpec
from tests.pipelines.clockwork import CALLS
from tests.pipelines.engine_runs import DIAMOND, noted, run
from tests.pipelines.specs import spec, step


@pytest.fixture(autouse=True)
def _calls() -> None:
    CALLS.clear()


def _cancelled_after(
    delay_s: float, given: PipelineSpec, engine: Engine, *, begun: str | None = None
) -> tuple[Execution, float]:
    """Return the run and how long it went on after it was cancelled, in the step `begun` if one is named."""
    switch = Cancellation()
    thrown_s: list[float] = []

    def throw() -> None:
        while begun is not None and not CALLS[begun]:
            time.sleep(0.01)
        thrown_s.append(time.perf_counter())
        switch.cancel("The user pressed stop.")

    timer = threading.Timer(delay_s, throw)
    timer.start()
    execution = run(given, engine, cancellation=switch)
    timer.join()
    return execution, time.perf_counter() - thrown_s[0]


def test_a_run_is_cancelled_between_steps() -> None:
    given = spec(
        {"a": step("sleeper@1", {"seconds": 0.4}, picture="inputs.picture"), "b": noted("b", "a.text")}, out="b.text"
    )
    execution, late_s = _cancelled_after(0.1, given, Engine())
    assert isinstance(execution.error, Cancelled)
    assert str(execution.error) == "The user pressed stop."
    assert CALLS["b"] == 0
    assert late_s < 2


def test_a_run_is_cancelled_inside_a_step_that_listens() -> None:
    execution, late_s = _cancelled_after(
        0.1, spec({"w": step("waiter@1", picture="inputs.picture")}, out="w.text"), Engine(), begun="waiter"
    )
    assert isinstance(execution.error, Cancelled)
    assert late_s < 1


def test_a_step_that_breaks_because_it_was_stopped_did_not_fail() -> None:
    breaking = step("waiter@1", {"breaks": True}, picture="inputs.picture")
    execution, _ = _cancelled_after(0.1, spec({"w": breaking}, out="w.text"), Engine(), begun="waiter")
    assert isinstance(execution.error, Cancelled)
    assert execution.steps["w"].status is StepStatus.CANCELLED
    assert execution.steps["w"].attempts[0].error == "ConnectionError: the model server hung up"


def test_a_run_is_cancelled_inside_a_long_step_that_does_not_listen(processes: StepProcesses) -> None:
    sleeper = step("sleeper@1", {"seconds": 60, "expected_s": 60}, picture="inputs.picture")
    execution, late_s = _cancelled_after(1, spec({"s": sleeper}, out="s.text"), Engine(isolation=processes))
    assert isinstance(execution.error, Cancelled)
    assert execution.steps["s"].status is StepStatus.CANCELLED
    assert late_s < 2


def test_a_run_that_was_cancelled_before_it_began_does_nothing() -> None:
    switch = Cancellation()
    switch.cancel()
    execution = run(DIAMOND, cancellation=switch)
    assert isinstance(execution.error, Cancelled)
    assert not CALLS
    assert {record.status for record in execution.steps.values()} == {StepStatus.CANCELLED}


def test_waiting_for_the_next_attempt_is_cancelled_as_well() -> None:
    flaky = step("flaky@1", {"note": "f", "times": 9}, picture="inputs.picture") | {
        "retry": {"attempts": 5, "delay_s": 60}
    }
    execution, late_s = _cancelled_after(0.2, spec({"f": flaky}, out="f.text"), Engine(), begun="f")
    assert isinstance(execution.error, Cancelled)
    assert len(execution.steps["f"].attempts) == 1
    assert late_s < 1


def test_a_step_that_outlasts_its_time_is_stopped_and_tried_again(processes: StepProcesses) -> None:
    sleeper = step("sleeper@1", {"seconds": 60, "expected_s": 60}, picture="inputs.picture")
    limited = sleeper | {"timeout_s": 1.5, "retry": {"attempts": 2, "delay_s": 0}}
    execution = run(spec({"s": limited}, out="s.text"), Engine(isolation=processes))
    assert str(execution.error) == "Step 's' failed: It took longer than 1.5 s."
    assert len(execution.steps["s"].attempts) == 2
    assert execution.seconds < 10


def test_a_step_within_its_time_is_left_alone() -> None:
    quick = noted("q") | {"timeout_s": 30}
    assert run(spec({"q": quick}, out="q.text")).succeeded()
