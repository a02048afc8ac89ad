"""A spec that can run: every component found, every edge checked, steps in order. Or everything that is wrong."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from imageflow_domain.errors import Fault, InvalidPipeline, NotFound
from imageflow_pipelines.canonical import canonical_json
from imageflow_pipelines.component import Component, InputPort, ports_of
from imageflow_pipelines.limits import MAX_EDGES, MAX_STEPS
from imageflow_pipelines.registry import RELEASED, Registry
from imageflow_pipelines.spec import INPUTS, PipelineSpec, Retry, StepSpec
from imageflow_pipelines.spec_text import faults_of
from imageflow_pipelines.values import Encoded, Value, kind_name


@dataclass(frozen=True, order=True)
class Source:
    """An output of a step, or with `INPUTS` for a step, what the caller gives."""

    step: str
    port: str

    @classmethod
    def parse(cls, reference: str) -> "Source":
        """Read `step.port` as specs spell it; whether there is such an output is not checked."""
        step, _, port = reference.partition(".")
        return cls(step, port)

    def __str__(self) -> str:
        return f"{self.step}.{self.port}"


@dataclass(frozen=True, kw_only=True)
class Step:
    """A node, ready to run."""

    name: str
    component: Component
    sources: Mapping[str, tuple[Source, ...]]
    """By input port, in the order of the spec."""
    many: frozenset[str]
    """Ports that take a tuple, however many edges there are."""
    required: frozenset[str]
    outputs: tuple[str, ...]
    retry: Retry
    timeout_s: float | None
    key: bytes
    """Digest of component, parameters and wiring; names of steps and where the pictures come from are left out."""

    @property
    def parents(self) -> tuple[str, ...]:
        """The steps that feed it, each once, in a fixed order."""
        names = (source.step for sources in self.sources.values() for source in sources if source.step != INPUTS)
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A pipeline that can run, any number of times, on any thread."""

    spec: PipelineSpec
    steps: Mapping[str, Step]
    """In an order in which each stands after those that feed it."""
    outputs: Mapping[str, Source]

    def needed(self) -> tuple[Step, ...]:
        """Return the steps that the outputs depend on, in their order."""
        names = {source.step for source in self.outputs.values()}
        found = []
        for step in reversed(tuple(self.steps.values())):
            if step.name in names:
                names.update(step.parents)
                found.append(step)
        return tuple(reversed(found))


def plan(spec: PipelineSpec, registry: Registry = RELEASED) -> Plan:
    """Return the plan of a spec. Raises `InvalidPipeline` with every fault that was found, each with its path."""
    faults = list(_too_many(spec))
    if faults:
        raise InvalidPipeline(faults)
    kinds = _kinds(spec, registry, faults)
    components = _components(spec, kinds, faults)
    edges = {name: _sources(step) for name, step in spec.steps.items()}
    faults += _edge_faults(spec, kinds, edges)
    order = _order(edges)
    faults += _cycle_faults(edges, order)
    if not faults:
        faults += _value_faults(kinds, edges, order)
    faults += _output_faults(spec, kinds)
    if faults:
        raise InvalidPipeline(faults)
    return Plan(
        spec=spec,
        steps={name: _step(name, spec.steps[name], components[name], edges[name]) for name in order},
        outputs={name: Source.parse(reference) for name, reference in spec.outputs.items()},
    )


_Edges = Mapping[str, tuple[Source, ...]]
"""Sources by input port."""


def _sources(step: StepSpec) -> _Edges:
    return {
        port: tuple(Source.parse(each) for each in (given if isinstance(given, list) else [given]))
        for port, given in step.sources.items()
    }


def _too_many(spec: PipelineSpec) -> Iterator[Fault]:
    if len(spec.steps) > MAX_STEPS:
        yield Fault(path="steps", reason=f"there are {len(spec.steps):,} steps, more than {MAX_STEPS}")
    edges = sum(len(sources) for step in spec.steps.values() for sources in _sources(step).values())
    if edges > MAX_EDGES:
        yield Fault(path="steps", reason=f"there are {edges:,} edges, more than {MAX_EDGES:,}")
    if INPUTS in spec.steps:
        yield Fault(path=f"steps.{INPUTS}", reason="no step may be called that: it stands for what the caller gives")
    for place, name in enumerate(spec.inputs):
        if name in spec.inputs[:place]:
            yield Fault(path=f"inputs.{place}", reason=f"'{name}' stands here twice")


def _kinds(spec: PipelineSpec, registry: Registry, faults: list[Fault]) -> dict[str, type[Component]]:
    """Return the component of each step whose `use` is right; add to `faults` what is not."""
    found = {}
    for name, step in spec.steps.items():
        try:
            found[name] = registry.find(step.use)
        except NotFound as error:
            faults.append(Fault(path=f"steps.{name}.use", reason=str(error)))
    return found


def _components(spec: PipelineSpec, kinds: Mapping[str, type[Component]], faults: list[Fault]) -> dict[str, Component]:
    """Return those whose `with` is right, too; add to `faults` what is not."""
    found = {}
    for name, kind in kinds.items():
        try:
            found[name] = kind.from_parameters(spec.steps[name].parameters)
        except ValidationError as error:
            faults += faults_of(error, f"steps.{name}.with")
    return found


def _edge_faults(
    spec: PipelineSpec, kinds: Mapping[str, type[Component]], edges: Mapping[str, _Edges]
) -> Iterator[Fault]:
    for name, kind in kinds.items():
        inputs = ports_of(kind).inputs
        for port, sources in edges[name].items():
            path = f"steps.{name}.from.{port}"
            if port not in inputs:
                yield Fault(path=path, reason=f"{kind.reference()} has no such input: it has {', '.join(inputs)}")
                continue
            if len(sources) != 1 and not inputs[port].takes_many:
                yield Fault(path=path, reason=f"takes one edge, not {len(sources)}")
            if not sources:
                yield Fault(path=path, reason="names nothing: leave it out, or name an output")
            for source in sources:
                reason = _missing(source, spec, kinds)
                if reason:
                    yield Fault(path=path, reason=reason)
        for wanted in inputs.values():
            if wanted.is_required and wanted.name not in edges[name]:
                yield Fault(path=f"steps.{name}.from.{wanted.name}", reason=f"is not fed; it takes {_spell(wanted)}")


def _missing(source: Source, spec: PipelineSpec, kinds: Mapping[str, type[Component]]) -> str:
    """Say why there is no such output; nothing if there is, or if its step has no component."""
    if source.step == INPUTS:
        return "" if source.port in spec.inputs else f"there is no input '{source.port}': {', '.join(spec.inputs)}"
    if source.step not in spec.steps:
        return f"there is no step '{source.step}'"
    if source.step not in kinds:
        return ""
    kind = kinds[source.step]
    outputs = ports_of(kind).outputs
    if source.port in outputs:
        return ""
    return f"'{source.step}' ({kind.reference()}) has no output '{source.port}': it has {', '.join(outputs)}"


def _output_faults(spec: PipelineSpec, kinds: Mapping[str, type[Component]]) -> Iterator[Fault]:
    for name, reference in spec.outputs.items():
        reason = _missing(Source.parse(reference), spec, kinds)
        if reason:
            yield Fault(path=f"outputs.{name}", reason=reason)


def _order(edges: Mapping[str, _Edges]) -> list[str]:
    """Return the steps, each after those that feed it, else in the order of the spec; without those on cycles.

    A. B. Kahn, 1962.
    """
    parents = {
        name: {source.step for sources in ports.values() for source in sources if source.step in edges}
        for name, ports in edges.items()
    }
    children: dict[str, list[str]] = {name: [] for name in edges}
    for name, feeding in parents.items():
        for parent in feeding:
            children[parent].append(name)
    missing = {name: len(feeding) for name, feeding in parents.items()}
    ready = [name for name, count in missing.items() if count == 0]
    order = []
    while ready:
        name = ready.pop(0)
        order.append(name)
        for child in children[name]:
            missing[child] -= 1
            if missing[child] == 0:
                ready.append(child)
    return order


def _cycle_faults(edges: Mapping[str, _Edges], order: list[str]) -> Iterator[Fault]:
    """Name each cycle once, at the first of its steps. Steps that merely hang on a cycle are not at fault."""
    left = {
        name: [source.step for sources in ports.values() for source in sources if source.step in edges]
        for name, ports in edges.items()
        if name not in set(order)
    }
    seen: set[str] = set()
    for start in left:
        path: list[str] = []
        name = start
        # Every step that is left has a parent that is left: going up must come round.
        while name not in seen:
            seen.add(name)
            path.append(name)
            name = next(parent for parent in left[name] if parent in left)
        if name in path:
            cycle = path[path.index(name) :][::-1]
            yield Fault(path=f"steps.{cycle[0]}", reason=f"feeds itself: {' -> '.join([*cycle, cycle[0]])}")


def _value_faults(
    kinds: Mapping[str, type[Component]], edges: Mapping[str, _Edges], order: list[str]
) -> Iterator[Fault]:
    """Follow every value from the sources on, and report where its kind is not accepted."""
    given: dict[Source, type[Value]] = {}
    for name in order:
        ports = ports_of(kinds[name])
        followed: type[Value] = Encoded
        for port, sources in edges[name].items():
            taken = [Encoded if source.step == INPUTS else given[source] for source in sources]
            for source, kind in zip(sources, taken, strict=True):
                if kind not in ports.inputs[port].kinds:
                    reason = f"takes {_spell(ports.inputs[port])}, but {source} gives {kind_name(kind)}"
                    yield Fault(path=f"steps.{name}.from.{port}", reason=reason)
            if ports.inputs[port].follows:
                followed = taken[0]
                if len(set(taken)) > 1:
                    reason = f"takes one kind at a time, not {', '.join(kind_name(kind) for kind in taken)}"
                    yield Fault(path=f"steps.{name}.from.{port}", reason=reason)
        for output in ports.outputs.values():
            given[Source(name, output.name)] = output.kind or followed


def _spell(port: InputPort) -> str:
    return " or ".join(kind_name(kind) for kind in port.kinds)


def _step(name: str, spec: StepSpec, component: Component, edges: _Edges) -> Step:
    ports = ports_of(type(component))
    content = [component.reference(), component.model_dump(mode="json"), {p: len(s) for p, s in edges.items()}]
    return Step(
        name=name,
        component=component,
        sources=edges,
        many=frozenset(port.name for port in ports.inputs.values() if port.takes_many),
        required=frozenset(port.name for port in ports.inputs.values() if port.is_required),
        outputs=tuple(ports.outputs),
        retry=spec.retry,
        timeout_s=spec.timeout_s,
        key=hashlib.sha256(canonical_json(content)).digest(),
    )
