"""The engine: what runs, in which order, how often, and how it ends."""

import threading
import time

import pytest

from imageflow_domain.errors import InvalidInput, StepFailed, StepRefused, TooLarge
from imageflow_pipelines.canonical import digest
from imageflow_pipelines.engine import Engine
from imageflow_pipelines.execution import StepRecord, StepStatus
from imageflow_pipelines.limits import MAX_ENCODED_BYTES
from imageflow_pipelines.plan import plan
from imageflow_pipelines.reuse import Reuse
from imageflow_pipelines.spec_text import parse_spec, read_spec
from imageflow_pipelines.values import Encoded, Measurements, Text
from tests.pipelines.clockwork import CALLS
from tests.pipelines.engine_runs import DIAMOND, PICTURE, noted, run
from tests.pipelines.models import registry
from tests.pipelines.pictures import encoded, scene
from tests.pipelines.specs import JUDGED, decoded, spec, step


@pytest.fixture(autouse=True)
def _calls() -> None:
    CALLS.clear()


def test_values_flow_along_the_edges() -> None:
    size = len(PICTURE["picture"])
    execution = run(DIAMOND).succeeded()
    assert execution.outputs["out"] == Text(f"(d(b(a{size})) (c(a{size})))")
    assert [record.status for record in execution.steps.values()] == [StepStatus.DONE] * 4
    assert CALLS == {"a": 1, "b": 1, "c": 1, "d": 1}


def test_a_real_pipeline_gives_its_outputs() -> None:
    execution = run(read_spec(JUDGED)).succeeded()
    assert isinstance(execution.outputs["picture"], Encoded)
    counted = execution.outputs["counted"]
    assert isinstance(counted, Measurements)
    assert counted.value("count") > 0
    assert execution.steps["decode"].seconds > 0
    assert sum(record.seconds for record in execution.steps.values()) <= 2 * execution.seconds


def test_branches_run_side_by_side() -> None:
    two = spec(
        {"a": step("meeter@1", picture="inputs.picture"), "b": step("meeter@1", picture="inputs.picture")},
        a="a.text",
        b="b.text",
    )
    assert run(two, Engine(threads=2)).succeeded().outputs == {"a": Text("met"), "b": Text("met")}


def test_the_way_not_taken_is_skipped_and_its_output_is_nothing() -> None:
    given = spec(
        {
            "fork": step("fork@1", {"left": False}, picture="inputs.picture"),
            "l": noted("l", "fork.left"),
            "r": noted("r", "fork.right"),
            "both": step("merge@1", values=["l.text", "r.text"]),
            "optional": noted("o", "fork.left", "fork.right"),
        },
        left="fork.left",
        both="both.value",
        optional="optional.text",
    )
    execution = run(given).succeeded()
    assert execution.outputs == {"left": None, "both": Text("(rright)"), "optional": Text("(oright)")}
    assert execution.steps["l"].status is StepStatus.SKIPPED  # its texts are optional, but there is nothing else


def test_what_needs_a_way_not_taken_is_skipped_all_the_way_down() -> None:
    given = read_spec(JUDGED.replace("condition: '>'", "condition: '<'"))
    execution = run(given).succeeded()
    assert execution.steps["drawn"].status is StepStatus.SKIPPED
    assert execution.steps["either"].status is StepStatus.DONE
    cut = given.model_copy(update={"outputs": {"drawn": "drawn.image"}})
    assert run(cut).succeeded().outputs == {"drawn": None}


def test_steps_that_no_output_needs_do_not_run() -> None:
    given = DIAMOND.model_copy(update={"outputs": {"out": "b.text"}})
    execution = run(given).succeeded()
    assert CALLS == {"a": 1, "b": 1}
    assert execution.steps["c"].status is execution.steps["d"].status is StepStatus.UNNEEDED


def test_a_step_that_fails_twice_succeeds_the_third_time_and_its_attempts_are_kept() -> None:
    flaky = step("flaky@1", {"note": "f", "times": 2}, picture="inputs.picture") | {
        "retry": {"attempts": 3, "delay_s": 0.01}
    }
    execution = run(spec({"f": flaky}, out="f.text")).succeeded()
    attempts = execution.steps["f"].attempts
    assert [attempt.error for attempt in attempts] == ["The model server is down: try again."] * 2 + [""]
    assert execution.steps["f"].seconds >= 0.03  # 0.01 and then 0.02


def test_a_step_that_fails_too_often_ends_the_run_in_its_words() -> None:
    flaky = step("flaky@1", {"note": "f", "times": 9, "way": "crash"}, picture="inputs.picture") | {
        "retry": {"attempts": 2, "delay_s": 0}
    }
    execution = run(spec({"f": flaky, "after": noted("after", "f.text")}, out="after.text"))
    assert str(execution.error) == "Step 'f' failed: ZeroDivisionError: no reason was given"
    assert isinstance(execution.error, StepFailed)
    assert isinstance(execution.error.__cause__, ZeroDivisionError)
    assert len(execution.steps["f"].attempts) == 2
    assert execution.steps["f"].status is StepStatus.FAILED
    assert execution.steps["after"].status is StepStatus.CANCELLED
    assert execution.outputs == {}
    with pytest.raises(StepFailed):
        execution.succeeded()


@pytest.mark.parametrize("way", ["input", "missing"])
def test_what_the_input_is_to_blame_for_is_not_tried_again(way: str) -> None:
    flaky = step("flaky@1", {"note": "f", "times": 1, "way": way}, picture="inputs.picture") | {
        "retry": {"attempts": 5}
    }
    execution = run(spec({"f": flaky}, out="f.text"))
    assert isinstance(execution.error, StepRefused)
    assert CALLS["f"] == 1


def test_a_picture_that_is_none_is_told_at_the_step_that_reads_it() -> None:
    with Engine() as engine:
        execution = engine.run(plan(read_spec(JUDGED)), {"picture": b"no picture"})
    assert str(execution.error).startswith("Step 'decode': The file is no JPEG, PNG, WebP or BMP picture")


def test_sources_are_those_that_the_spec_names() -> None:
    with Engine() as engine:
        with pytest.raises(InvalidInput, match="takes picture; given was nothing"):
            engine.run(plan(read_spec(JUDGED)), {})
        with pytest.raises(InvalidInput, match="given was picture, more"):
            engine.run(plan(read_spec(JUDGED)), {"picture": b"", "more": b""})
        with pytest.raises(TooLarge, match="67,108,865 bytes"):
            engine.run(plan(read_spec(JUDGED)), {"picture": bytes(MAX_ENCODED_BYTES + 1)})


def test_a_failed_branch_stops_the_others() -> None:
    given = spec(
        {
            "wait": step("waiter@1", picture="inputs.picture"),
            "fail": step("flaky@1", {"note": "f", "times": 1}, picture="inputs.picture"),
        },
        a="wait.text",
        b="fail.text",
    )
    begun_s = time.perf_counter()
    execution = run(given, Engine(threads=2))
    assert isinstance(execution.error, StepFailed)
    assert execution.steps["wait"].status is StepStatus.CANCELLED
    assert time.perf_counter() - begun_s < 5


def test_a_watcher_gets_each_step_as_it_begins_and_ends() -> None:
    told: list[StepRecord] = []
    run(DIAMOND, Engine(threads=1), watch=told.append).succeeded()
    assert [(record.step, record.status.value) for record in told] == [
        (name, status) for name in ("a", "b", "c", "d") for status in ("running", "done")
    ]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_watcher_that_breaks_is_not_hushed_up(threads: int) -> None:
    def watch(record: StepRecord) -> None:
        if record.step in ("b", "c"):
            raise RuntimeError("the watcher broke")

    with pytest.raises(RuntimeError, match="the watcher broke"):
        run(DIAMOND, Engine(threads=threads), watch=watch)


def test_a_model_that_is_not_registered_is_told_at_its_step() -> None:
    given = decoded({"c": step("classify@1", {"model": "nope@1"}, image="decode.image")}, out="c.measurements")
    for engine in (Engine(models=registry()), Engine(models=registry(), reuse=Reuse())):
        assert str(run(given, engine).error).startswith("Step 'c': There is no model 'nope@1': there is colours")
    assert str(run(given).error) == "Step 'c': There is no model 'nope@1': none is registered."


def test_a_run_that_holds_too_much_is_refused() -> None:
    most = 96 * 64 * 3 + 100
    chain = decoded({"a": step("blur@1", image="decode.image"), "b": step("blur@1", image="a.image")}, out="b.image")
    assert run(chain, Engine(most_held_bytes=most)).succeeded()  # what was read by all is forgotten
    wide = decoded({"a": step("blur@1", image="decode.image")}, one="decode.image", two="a.image")
    assert "holds more than" in str(run(wide, Engine(most_held_bytes=most)).error)


def test_many_runs_share_an_engine() -> None:
    wanted = plan(read_spec(JUDGED))
    with Engine(threads=2, reuse=Reuse()) as engine:
        pictures = [encoded(scene(60 + i % 5, 40)).data for i in range(40)]
        found: dict[int, str] = {}

        def work(first: int) -> None:
            for i in range(first, 40, 4):
                value = engine.run(wanted, {"picture": pictures[i]}).succeeded().outputs["picture"]
                assert value is not None
                found[i] = digest(value)

        threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 40
    assert len(set(found.values())) == 5
    assert all(found[i] == found[i % 5] for i in found)


def test_several_pictures_may_go_in() -> None:
    given = parse_spec(
        {
            "pipeline": "find",
            "inputs": ["picture", "template"],
            "steps": {
                "p": step("decode@1", picture="inputs.picture"),
                "t": step("decode@1", picture="inputs.template"),
                "cut": step("crop@1", {"x_px": 30, "y_px": 20, "width_px": 20, "height_px": 20}, image="t.image"),
                "m": step("template_match@1", image="p.image", template="cut.image"),
            },
            "outputs": {"found": "m.detections"},
        }
    )
    with Engine() as engine:
        execution = engine.run(plan(given), {**PICTURE, "template": PICTURE["picture"]}).succeeded()
    (found,) = execution.outputs["found"].items  # type: ignore[union-attr]
    assert (found.box.x_px, found.box.y_px) == (30, 20)
