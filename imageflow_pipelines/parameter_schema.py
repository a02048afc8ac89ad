"""JSON Schema for the parameters of container components: a subset without references, checked and applied here.

The subset is what forms can draw: types, bounds, enumerations, lists and objects. Every other keyword is a fault of the
schema, so that none is silently ignored.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from imageflow_domain.errors import Fault

Schema = Mapping[str, Any]

_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
_NUMBERS = frozenset({"integer", "number"})
_TEXTS = ("title", "description", "$schema")
_ANYWHERE = frozenset({*_TEXTS, "type", "default", "enum", "examples"})
_OF_TYPE: dict[str, frozenset[str]] = {
    "string": frozenset({"minLength", "maxLength"}),
    "boolean": frozenset(),
    "integer": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "object": frozenset({"properties", "required", "additionalProperties"}),
}
_BOUNDS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "minimum": ("must be at least {}", lambda value, bound: value >= bound),
    "maximum": ("must be at most {}", lambda value, bound: value <= bound),
    "exclusiveMinimum": ("must be more than {}", lambda value, bound: value > bound),
    "exclusiveMaximum": ("must be less than {}", lambda value, bound: value < bound),
    "minLength": ("must have at least {} characters", lambda value, bound: len(value) >= bound),
    "maxLength": ("must have at most {} characters", lambda value, bound: len(value) <= bound),
    "minItems": ("must have at least {} items", lambda value, bound: len(value) >= bound),
    "maxItems": ("must have at most {} items", lambda value, bound: len(value) <= bound),
}


def schema_faults(schema: Any, path: str) -> list[Fault]:
    """Return everything that is wrong with a schema of parameters, which describes an object."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return [Fault(path=path, reason="must be a JSON Schema of type 'object': parameters have names")]
    return list(_schema_faults(schema, path))


def with_defaults(schema: Schema, value: Any) -> Any:
    """Return parameters with the schema's defaults where they are left out; the value need not be valid."""
    if schema.get("type") == "object" and isinstance(value, dict):
        properties = schema.get("properties", {})
        missing = {
            name: with_defaults(each, each["default"])
            for name, each in properties.items()
            if "default" in each and name not in value
        }
        given = {
            name: with_defaults(properties[name], item) if name in properties else item for name, item in value.items()
        }
        return {**given, **missing}
    if schema.get("type") == "array" and isinstance(value, list) and "items" in schema:
        return [with_defaults(schema["items"], item) for item in value]
    return value


def value_faults(
    schema: Schema, value: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield where a value does not match a schema that has no faults, and why."""
    kind = schema["type"]
    if not _TYPES[kind](value):
        yield path, f"must be of type {kind}"
        return
    if "enum" in schema and not any(_equal(value, each) for each in schema["enum"]):
        yield path, f"must be one of {', '.join(map(str, schema['enum']))}"
    for keyword, (said, holds) in _BOUNDS.items():
        if keyword in schema and not holds(value, schema[keyword]):
            yield path, said.format(schema[keyword])
    if kind == "array" and "items" in schema:
        for place, item in enumerate(value):
            yield from value_faults(schema["items"], item, (*path, place))
    if kind == "object":
        yield from _object_faults(schema, value, path)


def _object_faults(
    schema: Schema, value: dict[str, Any], path: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield (*path, name), "is required"
    for name, item in value.items():
        if name in properties:
            yield from value_faults(properties[name], item, (*path, name))
        else:
            known = ", ".join(properties) or "none at all"
            yield (*path, name), f"is no parameter: there is {known}"


def _equal(value: Any, other: Any) -> bool:
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


def _schema_faults(schema: Any, path: str) -> Iterator[Fault]:
    kind = schema.get("type") if isinstance(schema, dict) else None
    if not isinstance(kind, str) or kind not in _TYPES:
        yield Fault(path=path, reason=f"needs a 'type': one of {', '.join(_TYPES)}")
        return
    allowed = _ANYWHERE | _OF_TYPE[kind]
    for keyword in schema:
        if keyword not in allowed:
            known = ", ".join(sorted(allowed))
            yield Fault(path=f"{path}.{keyword}", reason=f"is not taken in a schema of type {kind}: taken are {known}")
    before = list(_keyword_faults(schema, kind, path))
    before += _nested_faults(schema, kind, path)
    yield from before
    if not before and "default" in schema:
        for place, reason in value_faults(schema, with_defaults(schema, schema["default"])):
            yield Fault(path=".".join([path, "default", *map(str, place)]), reason=reason)


def _keyword_faults(schema: Schema, kind: str, path: str) -> Iterator[Fault]:
    for keyword in _TEXTS:
        if not isinstance(schema.get(keyword, ""), str):
            yield Fault(path=f"{path}.{keyword}", reason="must be text")
    for keyword in _BOUNDS:
        if keyword not in schema or keyword not in _OF_TYPE[kind]:
            continue
        wanted = "number" if kind in _NUMBERS else "integer"
        if not _TYPES[wanted](schema[keyword]):
            yield Fault(path=f"{path}.{keyword}", reason=f"must be of type {wanted}")
    enum = schema.get("enum", ["any"])
    if not isinstance(enum, list) or not enum:
        yield Fault(path=f"{path}.enum", reason="must be a list of the values that are taken")
    elif "enum" in schema and not all(_TYPES[kind](each) for each in enum):
        yield Fault(path=f"{path}.enum", reason=f"must hold values of type {kind}")


def _nested_faults(schema: Schema, kind: str, path: str) -> Iterator[Fault]:
    if kind == "array" and "items" in schema:
        yield from _schema_faults(schema["items"], f"{path}.items")
    if kind != "object":
        return
    if schema.get("additionalProperties", False) is not False:
        yield Fault(path=f"{path}.additionalProperties", reason="must be false: every parameter has a name")
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        yield Fault(path=f"{path}.properties", reason="must be a mapping from names to schemas")
        return
    for name, each in properties.items():
        yield from _schema_faults(each, f"{path}.properties.{name}")
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        yield Fault(path=f"{path}.required", reason="must be a list of names")
        return
    for name in required:
        if name not in properties:
            yield Fault(path=f"{path}.required", reason=f"names '{name}', which is not in 'properties'")
