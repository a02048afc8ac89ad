"""What is wrong with a document that a person wrote: one sentence a mistake, with what is allowed there."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from imageflow_domain.errors import Fault
from imageflow_domain.faults import reason_of

_Schema = Mapping[str, Any]
_SUBJECT = re.compile(r"^(?:Input|String|Value|Tuple|List|Dictionary|Number|Data) should ")
_KINDS = {
    "tuple_type": "must be a list: [...]",
    "list_type": "must be a list: [...]",
    "dict_type": "must be a mapping: {...}",
    "model_type": "must be a mapping of settings: {...}",
    "model_attributes_type": "must be a mapping of settings: {...}",
    "string_type": "must be text: put it in quotes",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_too_short": "must not be empty",
}
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


@dataclass(frozen=True, kw_only=True)
class _Spot:
    """Where in a document a mistake is."""

    path: tuple[str, ...]
    schema: _Schema
    """What may stand there."""
    around: _Schema
    """What may stand in the mapping that it is a part of."""


def mistakes_of(error: ValidationError, schema: _Schema) -> tuple[Fault, ...]:
    """Return each mistake with its path, without the values: one of them may be a password.

    Args:
        error: Of the model that `schema` is the JSON Schema of.
    """
    faults = error.errors(include_url=False)
    spots = [_find(fault["loc"], schema) for fault in faults]
    meant = {(*spot.path[:-1], _near(spot)) for spot, fault in zip(spots, faults, strict=True) if _is_unknown(fault)}
    found = []
    for fault, spot in zip(faults, spots, strict=True):
        if fault["type"] == "missing" and spot.path in meant:
            continue  # it is there, misspelled
        if fault["type"] == "too_short" and any(_lies_in(other, spot) for other in spots):
            continue  # it has items, and they are wrong
        found.append(_mistake(fault, spot, schema))
    return tuple(dict.fromkeys(found))


def _mistake(fault: ErrorDetails, spot: _Spot, root: _Schema) -> Fault:
    path = spot.path
    if fault["type"].startswith("union_tag") and (name := _kind_setting(spot.schema, root)):
        path = (*path, name)
    return Fault(path=".".join(path) or "settings", reason=_reason(fault, spot, root))


def _is_unknown(fault: ErrorDetails) -> bool:
    return fault["type"] == "extra_forbidden"


def _lies_in(inner: _Spot, outer: _Spot) -> bool:
    return len(inner.path) > len(outer.path) and inner.path[: len(outer.path)] == outer.path


def _reason(fault: ErrorDetails, spot: _Spot, root: _Schema) -> str:
    match fault["type"]:
        case "extra_forbidden":
            allowed = list(spot.around.get("properties", {}))
            return f"is no setting here (allowed: {', '.join(allowed)}){_asked(_nearest(spot.path[-1], allowed))}"
        case "missing":
            about = str(spot.schema.get("description", "")).split("\n", 1)[0].rstrip(".")
            return f"is missing{f': {about}' if about else ''}"
        case "literal_error" | "enum" | "union_tag_invalid" | "union_tag_not_found":
            return _none_of(fault["input"], spot, root)
        case "too_long" | "too_short" if "actual_length" in fault.get("ctx", {}):
            bound, limit = ("most", "max_length") if fault["type"] == "too_long" else ("least", "min_length")
            return f"must have at {bound} {fault['ctx'][limit]} items, not {fault['ctx']['actual_length']}"
        case kind if kind in _KINDS:
            return _KINDS[kind]
        case kind if kind in _BOUNDS:
            name, words = _BOUNDS[kind]
            return f"must be {words} {fault['ctx'][name]:g}"
        case _:
            return _plain(fault["msg"])


def _none_of(value: Any, spot: _Spot, root: _Schema) -> str:
    """Say which of several forms or words are allowed, none of which the value is."""
    branches = [_resolved(branch, root) for branch in spot.schema.get("oneOf", ())]
    words = spot.schema.get("enum") or [word for branch in branches for word in _kind_words(branch)]
    if not words:
        actions = [_first(branch) for branch in branches]
        keys = [str(key) for key in value] if isinstance(value, Mapping) else []
        near = next((found for key in keys if (found := _nearest(key, actions))), None)
        return f"is no action (allowed: {', '.join(f'{{{action}: ...}}' for action in actions)}){_asked(near)}"
    name = _kind_setting(spot.schema, root)
    given = value.get(name) if isinstance(value, Mapping) else value
    listed = ", ".join(map(str, words))
    return (
        f"is missing: one of {listed}" if given is None else f"is none of {listed}{_asked(_nearest(str(given), words))}"
    )


def _kind_setting(schema: _Schema, root: _Schema) -> str | None:
    """Return the setting that names the form of a mapping of several forms."""
    forms = [_resolved(branch, root) for branch in schema.get("oneOf", ())]
    return next((name for form in forms for name, part in form["properties"].items() if "const" in part), None)


def _kind_words(branch: _Schema) -> list[str]:
    """Return the words that name the kind of a mapping."""
    return [str(part["const"]) for part in branch.get("properties", {}).values() if "const" in part]


def _first(branch: _Schema) -> str:
    """Return the setting that makes an action the one that it is."""
    return str(next(iter(branch.get("required", ())), ""))


def _near(spot: _Spot) -> str:
    return _nearest(spot.path[-1], spot.around.get("properties", {})) or ""


def _nearest(word: str, allowed: Iterable[str]) -> str | None:
    """Return the allowed word that was probably meant."""
    listed = list(allowed)
    longer = [one for one in listed if one.startswith(f"{word}_")]
    near = longer or difflib.get_close_matches(word.lower(), listed, n=1, cutoff=0.6)
    return near[0] if near else None


def _asked(near: str | None) -> str:
    return f": did you mean {near}?" if near else ""


def _plain(said: str) -> str:
    return _SUBJECT.sub("must ", reason_of(said))


def _find(loc: Sequence[int | str], root: _Schema) -> _Spot:
    """Follow a location of pydantic's, which also names the forms of unions, through a JSON Schema."""
    schema, around, path = _resolved(root, root), _resolved(root, root), list[str]()
    for part in loc:
        if part == "[key]":
            continue
        branch = _branch(schema, str(part), root)
        if branch is not None:
            schema = branch
            continue
        path.append(str(part))
        around = schema
        schema = _resolved(_part(schema, part), root)
    return _Spot(path=tuple(path), schema=schema, around=around)


def _branch(schema: _Schema, tag: str, root: _Schema) -> _Schema | None:
    """Return the form of a union that pydantic calls by `tag`."""
    for branch in schema.get("oneOf", ()):
        form = _resolved(branch, root)
        if tag in _kind_words(form) or tag == _first(form):
            return form
    return None


def _part(schema: _Schema, part: int | str) -> _Schema:
    if isinstance(part, int):
        listed = schema.get("prefixItems", ())
        found = listed[part] if part < len(listed) else schema.get("items", {})
    else:
        found = schema.get("properties", {}).get(part, schema.get("additionalProperties", {}))
    return found if isinstance(found, Mapping) else {}


def _resolved(schema: _Schema, root: _Schema) -> _Schema:
    """Return what a reference leads to, and of "this or nothing" the former."""
    if "$ref" in schema:
        target = root["$defs"][str(schema["$ref"]).rpartition("/")[2]]
        return {
            **_resolved(target, root),
            **({"description": schema["description"]} if "description" in schema else {}),
        }
    given = [form for form in schema.get("anyOf", ()) if form.get("type") != "null"]
    if len(given) == 1:
        return {
            **_resolved(given[0], root),
            **({"description": schema["description"]} if "description" in schema else {}),
        }
    return schema
