"""Laws that hold for any graph: valid ones give the same bytes however they are run, others are refused by name."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imageflow_domain.errors import ImageFlowError, InvalidPipeline
from imageflow_pipelines.canonical import digest
from imageflow_pipelines.component import ports_of
from imageflow_pipelines.engine import Engine
from imageflow_pipelines.execution import Execution
from imageflow_pipelines.plan import plan
from imageflow_pipelines.registry import RELEASED
from imageflow_pipelines.reuse import Reuse
from imageflow_pipelines.spec import PipelineSpec
from imageflow_pipelines.spec_text import parse_spec, read_spec, to_json_text, to_yaml_text
from tests.pipelines.models import registry
from tests.pipelines.pictures import encoded, scene
from tests.pipelines.samples import SAMPLES
from tests.thorough import repeated

_PICTURES = {"first": encoded(scene(48, 36)).data, "second": encoded(scene(36, 48), ".jpg").data}

_PARAMETERS = {name: [dict(sample.parameters) for sample in samples] for name, samples in SAMPLES.items()}
"""Of every component, each way to use it."""


@st.composite
def graphs(draw: st.DrawFn, most: int = 14) -> PipelineSpec:
    """Draw a valid graph: each step feeds on what is there already, with many forks and joins."""
    steps: dict[str, Any] = {}
    there: dict[str, list[str]] = {"encoded": ["inputs.first", "inputs.second"]}

    def add(name: str, use: str) -> None:
        ports = ports_of(RELEASED.find(use))
        sources: dict[str, Any] = {}
        followed = ""
        for port in ports.inputs.values():
            kinds = [kind for kind in _names(port.kinds) if there.get(kind)]
            if not kinds or (not port.is_required and draw(st.booleans())):
                continue
            kind = draw(st.sampled_from(kinds))
            followed = kind if port.follows else followed
            if port.takes_many:
                sources[port.name] = draw(st.lists(st.sampled_from(there[kind]), min_size=1, max_size=3))
            else:
                sources[port.name] = draw(st.sampled_from(there[kind]))
        if any(port.is_required and port.name not in sources for port in ports.inputs.values()):
            return
        steps[name] = {"use": use, "with": draw(st.sampled_from(_PARAMETERS[use])), "from": sources}
        for output in ports.outputs.values():
            kind = _names((output.kind,))[0] if output.kind else followed
            there.setdefault(kind, []).append(f"{name}.{output.name}")

    add("d1", "decode@1")
    add("d2", "decode@2")
    for number in range(draw(st.integers(1, most))):
        add(f"s{number}", draw(st.sampled_from(list(_PARAMETERS))))
    ends = [reference for references in there.values() for reference in references]
    chosen = draw(st.lists(st.sampled_from(ends), min_size=1, max_size=4, unique=True))
    outputs = {f"o{number}": reference for number, reference in enumerate(chosen)}
    return parse_spec({"pipeline": "any", "inputs": ["first", "second"], "steps": steps, "outputs": outputs})


def _names(kinds: tuple[Any, ...]) -> list[str]:
    return [kind.__name__.lower() for kind in kinds]


def _result(execution: Execution) -> Any:
    """Return what must not depend on how a graph was run: the bytes of its outputs, or whether it failed."""
    if execution.error is not None:
        return "failed"
    return {name: value and digest(value) for name, value in execution.outputs.items()}


def _turned(spec: PipelineSpec, seed: int) -> PipelineSpec:
    """The same graph, its steps written in another order."""
    names = list(spec.steps)
    random.Random(seed).shuffle(names)  # noqa: S311 - an order, not a secret
    return spec.model_copy(update={"steps": {name: spec.steps[name] for name in names}})


@settings(max_examples=repeated(40, thorough=150))
@given(graphs(), st.integers(0, 2**32))
def test_a_graph_gives_the_same_bytes_in_any_order_on_any_threads_and_from_any_notation(
    spec: PipelineSpec, seed: int
) -> None:
    models, reuse = registry(), Reuse()
    with Engine(models=models, threads=1) as one, Engine(models=models, threads=3, reuse=reuse) as three:
        expected = _result(one.run(plan(spec), _PICTURES))
        assert _result(one.run(plan(_turned(spec, seed)), _PICTURES)) == expected
        assert _result(three.run(plan(read_spec(to_yaml_text(spec))), _PICTURES)) == expected
        assert _result(three.run(plan(read_spec(to_json_text(_turned(spec, seed)))), _PICTURES)) == expected
        assert _result(three.run(plan(spec), _PICTURES)) == expected  # what was kept is what would be computed


@settings(max_examples=repeated(30, thorough=100))
@given(graphs())
def test_whatever_a_step_cannot_use_ends_the_run_in_words_that_name_it(spec: PipelineSpec) -> None:
    with Engine(models=registry(), threads=1) as engine:
        execution = engine.run(plan(spec), _PICTURES)
    if execution.error is None:
        return
    assert isinstance(execution.error, ImageFlowError)
    named = execution.error.step  # type: ignore[attr-defined]
    assert str(execution.error).startswith(f"Step '{named}': ")  # refused with a message, never failed by a crash
    assert execution.steps[named].attempts[-1].error


_BREAKAGES = ("component", "parameter", "port", "source", "output", "kind", "cycle", "unfed")


@settings(max_examples=repeated(60, thorough=200))
@given(graphs(), st.data())
def test_a_broken_graph_is_refused_and_the_broken_step_named(spec: PipelineSpec, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(list(spec.steps)))
    breakage = data.draw(st.sampled_from(_BREAKAGES))
    raw = spec.to_data()
    step = raw["steps"][name]
    port = next(iter(step["from"]))
    match breakage:
        case "component":
            step["use"] = "nothing@1"
        case "parameter":
            step.setdefault("with", {})["no_such_parameter"] = 1
        case "port":
            step["from"]["no_such_port"] = "inputs.first"
        case "source":
            step["from"][port] = "nobody.image"
        case "output":
            step["from"][port] = "d1.no_such_output"
        case "kind":
            raw["steps"]["odd"] = {"use": "barcodes@1", "from": {"image": "inputs.first"}}
            name = "odd"
        case "cycle":
            raw["steps"]["odd"] = {"use": "blur@1", "from": {"image": "even.image"}}
            raw["steps"]["even"] = {"use": "blur@1", "from": {"image": "odd.image"}}
            name = "odd"
        case "unfed":
            raw["steps"]["odd"] = {"use": "blur@1"}
            name = "odd"
    with pytest.raises(InvalidPipeline) as refused:
        plan(parse_spec(raw))
    told = [fault.path for fault in refused.value.faults]
    named = [path for path in told if path.split(".")[:2] == ["steps", name]]
    assert named or (breakage == "cycle" and told == ["steps.even"]), told
