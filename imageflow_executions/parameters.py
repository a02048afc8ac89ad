"""Parameters of one execution: what a client replaced, found among the steps and read by the components' schemas."""

from collections.abc import Mapping
from typing import Any

from imageflow_domain.errors import Fault, InvalidInput, InvalidPipeline
from imageflow_pipelines.plan import Plan, plan
from imageflow_pipelines.registry import RELEASED, Registry
from imageflow_pipelines.spec import PipelineSpec
from imageflow_pipelines.spec_text import read_value

Given = Mapping[str, Any]
"""By `step.parameter`, by `parameter` where only one step has it, or by step, as a mapping of its parameters."""

Effective = dict[str, dict[str, Any]]
"""By step and parameter, defaults included."""


def plan_with(spec: PipelineSpec, given: Given, registry: Registry = RELEASED) -> Plan:
    """Return the plan of a spec in which a client replaced parameters.

    Text is read by the component's schema, so that `"800"` is a number where the parameter is one.

    Raises `InvalidPipeline` with every fault: of the spec, and of parameters that no step, or several, have.
    """
    wanted = plan(spec, registry)
    if not given:
        return wanted
    faults: list[Fault] = []
    overrides: Effective = {}
    for name, value in given.items():
        for step, parameter, one in _places(wanted, name, value, faults):
            overrides.setdefault(step, {})[parameter] = _read(wanted, step, parameter, one)
    if faults:
        raise InvalidPipeline(faults)
    return plan(spec.with_parameters(overrides), registry)


def effective(wanted: Plan) -> Effective:
    """Return the parameters of every step as they take effect."""
    return {name: step.component.model_dump(mode="json") for name, step in wanted.steps.items()}


def refuse_containers(wanted: Plan) -> None:
    """Raise `InvalidInput` for a plan with container components, which runs of Dagster execute."""
    containers = [step.component.reference() for step in wanted.steps.values() if step.component.container is not None]
    if containers:
        raise InvalidInput(
            f"Pipelines with container components ({', '.join(containers)}) have no previews and no camera streams: "
            "start an execution."
        )


def _places(wanted: Plan, name: str, value: Any, faults: list[Fault]) -> list[tuple[str, str, Any]]:
    """Return step, parameter and value of what a client gave under a name; add a fault where it names nothing."""
    step, dot, parameter = name.partition(".")
    if dot:
        if step in wanted.steps:
            return [(step, parameter, value)]
        faults.append(_fault(name, f"there is no step '{step[:80]}': there is {', '.join(wanted.steps)}"))
        return []
    if name in wanted.steps and isinstance(value, Mapping):
        return [(name, str(each), one) for each, one in value.items()]
    having = [each for each, step_ in wanted.steps.items() if name in type(step_.component).model_fields]
    if len(having) == 1:
        return [(having[0], name, value)]
    if having:
        faults.append(_fault(name, f"several steps have it: write {' or '.join(f'{each}.{name}' for each in having)}"))
    else:
        faults.append(_fault(name, f"no step has this parameter: write step.parameter, steps are {_list(wanted)}"))
    return []


def _list(wanted: Plan) -> str:
    return ", ".join(wanted.steps)


def _fault(name: str, reason: str) -> Fault:
    return Fault(path=f"parameters.{name[:80]}", reason=reason)


def _read(wanted: Plan, step: str, parameter: str, value: Any) -> Any:
    """Return a value as the parameter's type takes it: text of anything but text is read as JSON or YAML."""
    if not isinstance(value, str):
        return value
    schema = type(wanted.steps[step].component).model_json_schema()
    field = schema.get("properties", {}).get(parameter, {})
    return value if _takes_text(field, schema.get("$defs", {})) else read_value(value)


def _takes_text(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> bool:
    if "$ref" in field:
        return _takes_text(definitions[str(field["$ref"]).rpartition("/")[2]], definitions)
    if "anyOf" in field:
        return any(_takes_text(each, definitions) for each in field["anyOf"])
    return field.get("type") == "string" or isinstance(field.get("const"), str)
