"""The engine: what runs, in which order, how often, and how it ends."""

import pickle
import threading
import time
from collections.abc import Iterator

import pytest

from imageflow_clients.step_process import StepProcesses
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import Cancelled, InvalidInput, StepFailed, StepRefused, TooLarge
from imageflow_pipelines import engine as engine_module
from imageflow_pipelines.canonical import digest
from imageflow_pipelines.component import megapixels
from imageflow_pipelines.engine import Engine
from imageflow_pipelines.execution import Execution, StepRecord, StepStatus
from imageflow_pipelines.limits import ISOLATE_FROM_S, MAX_ENCODED_BYTES, MAX_PICTURE_PX
from imageflow_pipelines.plan import Plan, plan
from imageflow_pipelines.reuse import Reuse
from imageflow_pipelines.spec import PipelineSpec
from imageflow_pipelines.spec_text import parse_spec, read_spec
from imageflow_pipelines.values import Encoded, Measurements, Text
from tests.pipelines.clockwork import CALLS, REGISTRY
from tests.pipelines.models import colours, registry
from tests.pipelines.pictures import encoded, scene
from tests.pipelines.specs import JUDGED, decoded, spec, step

_PICTURE = {"picture": encoded(scene()).data}


@pytest.fixture(autouse=True)
def _calls() -> None:
    CALLS.clear()


@pytest.fixture(scope="module")
def processes() -> Iterator[StepProcesses]:
    with StepProcesses() as processes:
        yield processes


def _plan(given: PipelineSpec) -> Plan:
    return plan(given, REGISTRY)


def _run(given: PipelineSpec, engine: Engine | None = None, **options: object) -> Execution:
    with engine or Engine() as running:
        return running.run(_plan(given), _PICTURE, **options)  # type: ignore[arg-type]


def _noted(note: str, *texts: str) -> dict[str, object]:
    return (
        step("noted@1", {"note": note}, texts=list(texts))
        if texts
        else step("noted@1", {"note": note}, picture="inputs.picture")
    )


_DIAMOND = spec(
    {"a": _noted("a"), "b": _noted("b", "a.text"), "c": _noted("c", "a.text"), "d": _noted("d", "b.text", "c.text")},
    out="d.text",
)


def test_values_flow_along_the_edges() -> None:
    size = len(_PICTURE["picture"])
    execution = _run(_DIAMOND).succeeded()
    assert execution.outputs["out"] == Text(f"(d(b(a{size})) (c(a{size})))")
    assert [record.status for record in execution.steps.values()] == [StepStatus.DONE] * 4
    assert CALLS == {"a": 1, "b": 1, "c": 1, "d": 1}


def test_a_real_pipeline_gives_its_outputs() -> None:
    execution = _run(read_spec(JUDGED)).succeeded()
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
    assert _run(two, Engine(threads=2)).succeeded().outputs == {"a": Text("met"), "b": Text("met")}


def test_the_way_not_taken_is_skipped_and_its_output_is_nothing() -> None:
    given = spec(
        {
            "fork": step("fork@1", {"left": False}, picture="inputs.picture"),
            "l": _noted("l", "fork.left"),
            "r": _noted("r", "fork.right"),
            "both": step("merge@1", values=["l.text", "r.text"]),
            "optional": _noted("o", "fork.left", "fork.right"),
        },
        left="fork.left",
        both="both.value",
        optional="optional.text",
    )
    execution = _run(given).succeeded()
    assert execution.outputs == {"left": None, "both": Text("(rright)"), "optional": Text("(oright)")}
    assert execution.steps["l"].status is StepStatus.SKIPPED  # its texts are optional, but there is nothing else


def test_what_needs_a_way_not_taken_is_skipped_all_the_way_down() -> None:
    given = read_spec(JUDGED.replace("condition: '>'", "condition: '<'"))
    execution = _run(given).succeeded()
    assert execution.steps["drawn"].status is StepStatus.SKIPPED
    assert execution.steps["either"].status is StepStatus.DONE
    cut = given.model_copy(update={"outputs": {"drawn": "drawn.image"}})
    assert _run(cut).succeeded().outputs == {"drawn": None}


def test_steps_that_no_output_needs_do_not_run() -> None:
    given = _DIAMOND.model_copy(update={"outputs": {"out": "b.text"}})
    execution = _run(given).succeeded()
    assert CALLS == {"a": 1, "b": 1}
    assert execution.steps["c"].status is execution.steps["d"].status is StepStatus.UNNEEDED


def test_a_step_that_fails_twice_succeeds_the_third_time_and_its_attempts_are_kept() -> None:
    flaky = step("flaky@1", {"note": "f", "times": 2}, picture="inputs.picture") | {
        "retry": {"attempts": 3, "delay_s": 0.01}
    }
    execution = _run(spec({"f": flaky}, out="f.text")).succeeded()
    attempts = execution.steps["f"].attempts
    assert [attempt.error for attempt in attempts] == ["The model server is down: try again."] * 2 + [""]
    assert execution.steps["f"].seconds >= 0.03  # 0.01 and then 0.02


def test_a_step_that_fails_too_often_ends_the_run_in_its_words() -> None:
    flaky = step("flaky@1", {"note": "f", "times": 9, "way": "crash"}, picture="inputs.picture") | {
        "retry": {"attempts": 2, "delay_s": 0}
    }
    execution = _run(spec({"f": flaky, "after": _noted("after", "f.text")}, out="after.text"))
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
    execution = _run(spec({"f": flaky}, out="f.text"))
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
    execution = _run(given, Engine(threads=2))
    assert isinstance(execution.error, StepFailed)
    assert execution.steps["wait"].status is StepStatus.CANCELLED
    assert time.perf_counter() - begun_s < 5


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
    execution = _run(given, engine, cancellation=switch)
    timer.join()
    return execution, time.perf_counter() - thrown_s[0]


def test_a_run_is_cancelled_between_steps() -> None:
    given = spec(
        {"a": step("sleeper@1", {"seconds": 0.4}, picture="inputs.picture"), "b": _noted("b", "a.text")}, out="b.text"
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
    execution = _run(_DIAMOND, cancellation=switch)
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
    execution = _run(spec({"s": limited}, out="s.text"), Engine(isolation=processes))
    assert str(execution.error) == "Step 's' failed: It took longer than 1.5 s."
    assert len(execution.steps["s"].attempts) == 2
    assert execution.seconds < 10


def test_a_step_within_its_time_is_left_alone() -> None:
    quick = _noted("q") | {"timeout_s": 30}
    assert _run(spec({"q": quick}, out="q.text")).succeeded()


def test_long_steps_give_the_same_in_another_process(processes: StepProcesses) -> None:
    given = spec(
        {
            "s": step("sleeper@1", {"seconds": 0, "expected_s": 60}, picture="inputs.picture"),
            "bad": step("flaky@1", {"note": "x", "times": 0}, picture="inputs.picture"),
        },
        s="s.text",
        bad="bad.text",
    )
    assert _run(given, Engine(isolation=processes)).succeeded().outputs == _run(given).succeeded().outputs


def test_a_process_that_dies_fails_its_step_alone(processes: StepProcesses) -> None:
    execution = _run(spec({"d": step("dier@1", picture="inputs.picture")}, out="d.text"), Engine(isolation=processes))
    assert isinstance(execution.error, StepFailed)
    assert "ended without an answer (exit status 9)" in str(execution.error)
    sleeper = step("sleeper@1", {"seconds": 0, "expected_s": 60}, picture="inputs.picture")
    assert _run(spec({"s": sleeper}, out="s.text"), Engine(isolation=processes)).succeeded()


def test_whoever_watches_is_told_of_each_step_as_it_begins_and_ends() -> None:
    told: list[StepRecord] = []
    _run(_DIAMOND, Engine(threads=1), watch=told.append).succeeded()
    assert [(record.step, record.status.value) for record in told] == [
        (name, status) for name in ("a", "b", "c", "d") for status in ("running", "done")
    ]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_watcher_that_breaks_is_not_hushed_up(threads: int) -> None:
    def watch(record: StepRecord) -> None:
        if record.step in ("b", "c"):
            raise RuntimeError("the watcher broke")

    with pytest.raises(RuntimeError, match="the watcher broke"):
        _run(_DIAMOND, Engine(threads=threads), watch=watch)


def test_what_was_computed_before_is_not_computed_again() -> None:
    reuse = Reuse()
    first = _run(_DIAMOND, Engine(reuse=reuse)).succeeded()
    again = _run(_DIAMOND, Engine(reuse=reuse)).succeeded()
    assert again.outputs == first.outputs
    assert CALLS == {"a": 1, "b": 1, "c": 1, "d": 1}
    assert again.steps["d"].status is StepStatus.REUSED
    assert {again.steps[name].status for name in "abc"} == {StepStatus.UNNEEDED}


def test_a_changed_parameter_computes_what_hangs_on_it_and_nothing_else() -> None:
    reuse = Reuse()
    _run(_DIAMOND, Engine(reuse=reuse))
    changed = _DIAMOND.with_parameters({"b": {"note": "B"}})
    execution = _run(changed, Engine(reuse=reuse)).succeeded()
    assert CALLS == {"a": 1, "b": 1, "B": 1, "c": 1, "d": 2}
    assert execution.steps["a"].status is execution.steps["c"].status is StepStatus.REUSED
    assert execution.outputs["out"] == Text("(d(B(a{0})) (c(a{0})))".format(len(_PICTURE["picture"])))


def test_another_picture_is_computed_anew_and_renamed_steps_are_not() -> None:
    reuse = Reuse()
    with Engine(reuse=reuse) as engine:
        engine.run(_plan(_DIAMOND), _PICTURE)
        engine.run(_plan(_DIAMOND), {"picture": b"another"})
    assert CALLS["a"] == 2
    renamed = spec({"x": _noted("a"), "y": _noted("b", "x.text")}, out="y.text")
    assert _run(renamed, Engine(reuse=reuse)).succeeded().steps["y"].status is StepStatus.REUSED


def test_a_way_not_taken_is_reused_as_well() -> None:
    given = spec({"fork": step("fork@1", {"left": True}, picture="inputs.picture")}, l="fork.left", r="fork.right")
    reuse = Reuse()
    first, again = (_run(given, Engine(reuse=reuse)).succeeded() for _ in range(2))
    assert again.outputs == first.outputs == {"l": Text("left"), "r": None}
    assert again.steps["fork"].status is StepStatus.REUSED


def test_failures_are_never_reused() -> None:
    flaky = spec({"f": step("flaky@1", {"note": "f", "times": 1}, picture="inputs.picture")}, out="f.text")
    reuse = Reuse()
    assert _run(flaky, Engine(reuse=reuse)).error is not None
    assert _run(flaky, Engine(reuse=reuse)).succeeded().steps["f"].status is StepStatus.DONE


def test_another_model_of_the_same_name_is_asked_anew() -> None:
    given = decoded({"c": step("classify@1", {"model": "colours@1"}, image="decode.image")}, out="c.measurements")
    reuse = Reuse()
    models = registry()
    assert _run(given, Engine(models=models, reuse=reuse)).succeeded()
    assert _run(given, Engine(models=models, reuse=reuse)).succeeded().steps["c"].status is StepStatus.REUSED
    other = colours()
    other.provider = "other"
    assert _run(given, Engine(models=type(models)(colours=other), reuse=reuse)).succeeded()
    assert other.calls == 1


def test_a_model_that_is_not_registered_is_told_at_its_step() -> None:
    given = decoded({"c": step("classify@1", {"model": "nope@1"}, image="decode.image")}, out="c.measurements")
    for engine in (Engine(models=registry()), Engine(models=registry(), reuse=Reuse())):
        assert str(_run(given, engine).error).startswith("Step 'c': There is no model 'nope@1': there is colours")
    assert str(_run(given).error) == "Step 'c': There is no model 'nope@1': none is registered."


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


def test_a_run_that_holds_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "MAX_HELD_BYTES", 96 * 64 * 3 + 100)
    chain = decoded({"a": step("blur@1", image="decode.image"), "b": step("blur@1", image="a.image")}, out="b.image")
    assert _run(chain).succeeded()  # what was read by all is forgotten
    wide = decoded({"a": step("blur@1", image="decode.image")}, one="decode.image", two="a.image")
    assert "holds more than" in str(_run(wide).error)


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
        execution = engine.run(plan(given), {**_PICTURE, "template": _PICTURE["picture"]}).succeeded()
    (found,) = execution.outputs["found"].items  # type: ignore[union-attr]
    assert (found.box.x_px, found.box.y_px) == (30, 20)


def test_what_a_step_will_cost_is_known_before_a_picture_is_unpacked() -> None:
    assert megapixels({"picture": encoded(scene(300, 200))}) == pytest.approx(0.06)
    assert megapixels({"picture": Encoded(b"no picture")}) == pytest.approx(1e-5)
    assert megapixels({"image": scene(300, 200), "detections": (), "mask": None}) == pytest.approx(0.06)


def test_huge_pictures_are_worked_on_where_they_can_be_stopped() -> None:
    """On the largest picture every component that may last over a second there is expected to."""
    for use, parameters in {
        "decode@1": {},
        "encode@1": {"format": "webp"},
        "blur@1": {"radius_px": 100},
        "morphology@1": {"operation": "close", "radius_px": 50},
        "feature_match@1": {},
        "template_match@1": {},
        "barcodes@1": {},
        "barcodes@2": {},
    }.items():
        component = REGISTRY.find(use).from_parameters(parameters)
        assert component.cpu_s(MAX_PICTURE_PX / 1e6) > ISOLATE_FROM_S
        assert component.cpu_s(1920 * 1080 / 1e6) < ISOLATE_FROM_S


def test_real_steps_give_the_same_bytes_in_another_process(
    processes: StepProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = _run(read_spec(JUDGED)).succeeded().outputs
    monkeypatch.setattr(engine_module, "ISOLATE_FROM_S", -1)
    elsewhere = _run(read_spec(JUDGED), Engine(isolation=processes)).succeeded().outputs
    assert {name: value and digest(value) for name, value in elsewhere.items()} == {
        name: value and digest(value) for name, value in here.items()
    }


def test_a_step_refuses_its_input_in_another_process_as_it_does_here(
    processes: StepProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "ISOLATE_FROM_S", -1)
    with Engine(isolation=processes) as engine:
        execution = engine.run(plan(read_spec(JUDGED)), {"picture": b"no picture"})
    assert isinstance(execution.error, StepRefused)
    assert "no JPEG, PNG, WebP or BMP picture" in str(execution.error)


def test_pixels_that_were_elsewhere_still_cannot_be_written() -> None:
    image = pickle.loads(pickle.dumps(scene()))  # noqa: S301 - written right here
    with pytest.raises(ValueError, match="read-only"):
        image.pixels[0, 0] = 0
