"""What a component is: a model whose fields are its parameters, called with values, returning values.

Ports are read from the signature of `__call__`. What a component does is its own file's business, under `components/`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import NoneType, UnionType
from typing import Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict

from imageflow_domain.cancellation import Cancellation
from imageflow_domain.containers import ContainerImage, Containers, NoContainers
from imageflow_domain.errors import InvalidInput
from imageflow_domain.inference import ModelRegistry
from imageflow_images.header import read_header
from imageflow_pipelines.values import KINDS, Encoded, Image, Mask, Value, kind_name

AnyValue = TypeVar("AnyValue", bound=Value)
"""Annotates ports that pass a value of any kind on: what goes in comes out."""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a step needs of the machine, by the pixels that go into it."""

    cpu_s_per_megapixel: float = 0.02
    """Measured on one core, rounded up."""
    bytes_per_px: int = 8
    """Memory beside its input, at the most."""
    gpu: bool = False
    """It is much faster with one."""


@dataclass(frozen=True)
class Context:
    """What the engine gives to components that ask for it, by a parameter of this type."""

    models: ModelRegistry
    cancellation: Cancellation
    containers: Containers = field(default_factory=NoContainers)


@dataclass(frozen=True, kw_only=True)
class InputPort:
    """Where edges end: a parameter of `__call__`."""

    name: str
    kinds: tuple[type[Value], ...]
    """Those that it takes."""
    is_required: bool
    takes_many: bool
    """Several edges may end here."""
    follows: bool
    """Outputs of kind `None` have the kind of what comes in here."""


@dataclass(frozen=True, kw_only=True)
class OutputPort:
    """Where edges begin: a value that `__call__` returns."""

    name: str
    kind: type[Value] | None
    """`None`: the kind of what comes in at the port that it follows."""
    is_optional: bool
    """It may give nothing; steps that need it are then skipped."""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """All ports of a component by name, in the order of its signature."""

    inputs: Mapping[str, InputPort]
    outputs: Mapping[str, OutputPort]
    context: str | None
    """The parameter that wants the `Context`."""


class Component(BaseModel):
    """Base of all components.

    A subclass is a pure function of its parameters and inputs. It says what it does in its docstring, has `name` and
    `version`, and `__call__`, whose parameters are its input ports, named and typed by the kinds of `values`; a port
    with a default is optional, `tuple[Kind, ...]` takes many edges. It returns one value, whose port is called after
    its kind, or a NamedTuple of values, one port a field. It raises `InvalidInput` for inputs that it cannot use.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, ser_json_inf_nan="strings")

    name: ClassVar[str]
    version: ClassVar[int]
    changes: ClassVar[str] = ""
    """What it gives otherwise than the version before, in one sentence; empty for the first version."""
    needs: ClassVar[Needs] = Needs()
    declared_ports: ClassVar[Ports | None] = None
    """Ports of a component that has no signature to read them from."""
    container: ClassVar[ContainerImage | None] = None
    """The image that computes it; `None` for a Python class."""

    def cpu_s(self, megapixels: float) -> float:
        """Return how long one core is expected to need at the most for inputs of that many pixels together."""
        return self.needs.cpu_s_per_megapixel * megapixels

    def identity(self, context: Context) -> str:
        """Return what the result depends on beside version, parameters and inputs, e.g. a model's digest."""
        del context
        return ""

    @classmethod
    def reference(cls) -> str:
        """Return how specs name it: `name@version`."""
        return f"{cls.name}@{cls.version}"

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> "Component":
        """Return the component with the parameters of a spec; raise pydantic's `ValidationError` for wrong ones."""
        # JSON mode is the one that is strict and yet takes an array for a tuple.
        return cls.model_validate_json(json.dumps(parameters), strict=True)

    def compute(self, inputs: Mapping[str, Any], context: Context | None = None) -> dict[str, Value | None]:
        """Call the component with its inputs by port, and return its outputs by port."""
        ports = ports_of(type(self))
        extra = {} if ports.context is None else {ports.context: context}
        result = self(**inputs, **extra)  # type: ignore[operator]
        if isinstance(result, tuple):
            return dict(zip(ports.outputs, result, strict=True))
        return {next(iter(ports.outputs)): result}


def megapixels(values: Mapping[str, Any]) -> float:
    """Return how many million pixels come in together, those of encoded pictures by what their headers say."""
    total = 0.0
    for value in values.values():
        for item in value if isinstance(value, tuple) else (value,):
            match item:
                case Image(pixels) | Mask(pixels):
                    total += pixels.shape[0] * pixels.shape[1]
                case Encoded(data):
                    total += _claimed_px(data)
    return total / 1e6


def _claimed_px(data: bytes) -> int:
    try:
        with read_header(data) as header:
            return header.width * header.height
    except InvalidInput:
        return len(data)  # decoding reports what is wrong


@cache
def ports_of(component: type[Component]) -> Ports:
    """Return the ports that a component, or the signature of its `__call__`, declares."""
    if component.declared_ports is not None:
        return component.declared_ports
    call = component.__call__
    hints = get_type_hints(call)
    returned = hints.pop("return")
    context = next((name for name, hint in hints.items() if hint is Context), None)
    optional = set((call.__kwdefaults__ or {}).keys())
    defaults = call.__defaults__ or ()
    positional = call.__code__.co_varnames[: call.__code__.co_argcount]
    optional |= set(positional[len(positional) - len(defaults) :])
    inputs = {
        name: _input(name, hint, is_required=name not in optional) for name, hint in hints.items() if name != context
    }
    return Ports(inputs=inputs, outputs=_outputs(returned), context=context)


def _input(name: str, hint: Any, *, is_required: bool) -> InputPort:
    takes_many = get_origin(hint) is tuple
    kinds = _kinds(get_args(hint)[0] if takes_many else hint)
    return InputPort(
        name=name,
        kinds=kinds or tuple(KINDS.values()),
        is_required=is_required,
        takes_many=takes_many,
        follows=not kinds,
    )


def _outputs(hint: Any) -> dict[str, OutputPort]:
    origin = get_origin(hint) or hint
    if isinstance(origin, type) and issubclass(origin, tuple):
        fields = get_type_hints(origin)
        return {name: _output(name, field) for name, field in fields.items()}
    kinds = _kinds(hint)
    name = kind_name(kinds[0]) if kinds else "value"
    return {name: _output(name, hint)}


def _output(name: str, hint: Any) -> OutputPort:
    kinds = _kinds(hint)
    return OutputPort(name=name, kind=kinds[0] if kinds else None, is_optional=NoneType in get_args(hint))


def _kinds(hint: Any) -> tuple[type[Value], ...]:
    """Return the kinds that an annotation names; none for the one that passes any kind on."""
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return tuple(part for part in parts if part is not NoneType and not isinstance(part, TypeVar))
