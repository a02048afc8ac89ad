"""Runs of small pipelines, for the tests of the engine."""

from imageflow_pipelines.engine import Engine
from imageflow_pipelines.execution import Execution
from imageflow_pipelines.plan import Plan, plan
from imageflow_pipelines.spec import PipelineSpec
from tests.pipelines.clockwork import REGISTRY
from tests.pipelines.pictures import encoded, scene
from tests.pipelines.specs import spec, step

PICTURE = {"picture": encoded(scene()).data}


def plan_of(given: PipelineSpec) -> Plan:
    return plan(given, REGISTRY)


def run(given: PipelineSpec, engine: Engine | None = None, **options: object) -> Execution:
    with engine or Engine() as running:
        return running.run(plan_of(given), PICTURE, **options)  # type: ignore[arg-type]


def noted(note: str, *texts: str) -> dict[str, object]:
    return (
        step("noted@1", {"note": note}, texts=list(texts))
        if texts
        else step("noted@1", {"note": note}, picture="inputs.picture")
    )


DIAMOND = spec(
    {"a": noted("a"), "b": noted("b", "a.text"), "c": noted("c", "a.text"), "d": noted("d", "b.text", "c.text")},
    out="d.text",
)
