"""Results of steps that are kept, and used again."""

import pytest

from imageflow_pipelines.engine import Engine
from imageflow_pipelines.execution import StepStatus
from imageflow_pipelines.reuse import Reuse
from imageflow_pipelines.values import Text
from tests.pipelines.clockwork import CALLS
from tests.pipelines.engine_runs import DIAMOND, PICTURE, noted, plan_of, run
from tests.pipelines.models import colours, registry
from tests.pipelines.specs import decoded, spec, step


@pytest.fixture(autouse=True)
def _calls() -> None:
    CALLS.clear()


def test_what_was_computed_before_is_not_computed_again() -> None:
    reuse = Reuse()
    first = run(DIAMOND, Engine(reuse=reuse)).succeeded()
    again = run(DIAMOND, Engine(reuse=reuse)).succeeded()
    assert again.outputs == first.outputs
    assert CALLS == {"a": 1, "b": 1, "c": 1, "d": 1}
    assert again.steps["d"].status is StepStatus.REUSED
    assert {again.steps[name].status for name in "abc"} == {StepStatus.UNNEEDED}


def test_a_changed_parameter_computes_what_hangs_on_it_and_nothing_else() -> None:
    reuse = Reuse()
    run(DIAMOND, Engine(reuse=reuse))
    changed = DIAMOND.with_parameters({"b": {"note": "B"}})
    execution = run(changed, Engine(reuse=reuse)).succeeded()
    assert CALLS == {"a": 1, "b": 1, "B": 1, "c": 1, "d": 2}
    assert execution.steps["a"].status is execution.steps["c"].status is StepStatus.REUSED
    assert execution.outputs["out"] == Text("(d(B(a{0})) (c(a{0})))".format(len(PICTURE["picture"])))


def test_another_picture_is_computed_anew_and_renamed_steps_are_not() -> None:
    reuse = Reuse()
    with Engine(reuse=reuse) as engine:
        engine.run(plan_of(DIAMOND), PICTURE)
        engine.run(plan_of(DIAMOND), {"picture": b"another"})
    assert CALLS["a"] == 2
    renamed = spec({"x": noted("a"), "y": noted("b", "x.text")}, out="y.text")
    assert run(renamed, Engine(reuse=reuse)).succeeded().steps["y"].status is StepStatus.REUSED


def test_a_way_not_taken_is_reused_as_well() -> None:
    given = spec({"fork": step("fork@1", {"left": True}, picture="inputs.picture")}, l="fork.left", r="fork.right")
    reuse = Reuse()
    first, again = (run(given, Engine(reuse=reuse)).succeeded() for _ in range(2))
    assert again.outputs == first.outputs == {"l": Text("left"), "r": None}
    assert again.steps["fork"].status is StepStatus.REUSED


def test_failures_are_never_reused() -> None:
    flaky = spec({"f": step("flaky@1", {"note": "f", "times": 1}, picture="inputs.picture")}, out="f.text")
    reuse = Reuse()
    assert run(flaky, Engine(reuse=reuse)).error is not None
    assert run(flaky, Engine(reuse=reuse)).succeeded().steps["f"].status is StepStatus.DONE


def test_another_model_of_the_same_name_is_asked_anew() -> None:
    given = decoded({"c": step("classify@1", {"model": "colours@1"}, image="decode.image")}, out="c.measurements")
    reuse = Reuse()
    models = registry()
    assert run(given, Engine(models=models, reuse=reuse)).succeeded()
    assert run(given, Engine(models=models, reuse=reuse)).succeeded().steps["c"].status is StepStatus.REUSED
    other = colours()
    other.provider = "other"
    assert run(given, Engine(models=type(models)(colours=other), reuse=reuse)).succeeded()
    assert other.calls == 1


def test_kept_results_never_hold_more_than_they_may() -> None:
    reuse = Reuse(max_bytes=5_000)
    for number in range(20):
        reuse.put(bytes([number]), {"text": Text("x" * 500)})
        assert reuse.held_bytes <= 5_000
    assert reuse.get(bytes([0])) is None
    assert reuse.get(bytes([19])) is not None
    reuse.put(b"huge", {"text": Text("x" * 6_000)})
    assert reuse.get(b"huge") is None
    assert reuse.get(bytes([19])) is not None
