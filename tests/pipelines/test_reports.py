"""What steps report: log lines by step, and the use of resources by attempt."""

import pytest

from imageflow_clients.process_meter import ProcessMeter
from imageflow_clients.step_logging import step_logging
from imageflow_clients.step_process import StepProcesses
from imageflow_domain.step_scope import LogLine
from imageflow_pipelines.engine import Engine
from tests.pipelines.clockwork import CALLS
from tests.pipelines.engine_runs import PICTURE, run
from tests.pipelines.specs import spec, step


@pytest.fixture(autouse=True)
def _calls() -> None:
    CALLS.clear()


def talker(note: str, expected_s: float) -> dict[str, object]:
    return step("talker@1", {"note": note, "expected_s": expected_s}, picture="inputs.picture")


def test_what_a_step_logs_comes_with_its_name_wherever_it_runs(processes: StepProcesses) -> None:
    given = spec({"here": talker("a", 0), "there": talker("b", 60)}, one="here.text", two="there.text")
    found: list[tuple[str, LogLine]] = []
    with step_logging():
        execution = run(given, Engine(isolation=processes), log=lambda name, line: found.append((name, line)))
    assert execution.succeeded()
    size = len(PICTURE["picture"])
    assert {name: (line.level, line.text) for name, line in found} == {
        "here": ("warning", f"a: {size} bytes"),
        "there": ("warning", f"b: {size} bytes"),
    }
    assert len(found) == 2


def test_every_attempt_has_what_it_used(processes: StepProcesses) -> None:
    flaky = step("flaky@1", {"note": "f", "times": 1}, picture="inputs.picture") | {
        "retry": {"attempts": 2, "delay_s": 0}
    }
    given = spec({"here": flaky, "there": talker("b", 60)}, one="here.text", two="there.text")
    execution = run(given, Engine(isolation=processes, meter=ProcessMeter())).succeeded()
    assert len(execution.steps["here"].attempts) == 2
    for record in execution.steps.values():
        for attempt in record.attempts:
            assert attempt.resources.cpu_s is not None
            assert 0 < attempt.resources.cpu_s < 10
            assert attempt.resources.peak_memory_bytes is not None
            assert attempt.resources.peak_memory_bytes > 2**20


def test_of_a_process_that_died_nothing_is_known(processes: StepProcesses) -> None:
    given = spec({"d": step("dier@1", picture="inputs.picture")}, out="d.text")
    execution = run(given, Engine(isolation=processes, meter=ProcessMeter()))
    (attempt,) = execution.steps["d"].attempts
    assert attempt.resources.to_data() == {}
