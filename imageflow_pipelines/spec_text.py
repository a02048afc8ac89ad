"""Specs as YAML or JSON. Both hold JSON's values and nothing else, so that either says exactly what the other says."""

import json
import math
import re
from collections.abc import Hashable
from typing import Any

import yaml
from pydantic import ValidationError

from imageflow_domain.errors import Fault, InvalidPipeline
from imageflow_domain.faults import reason_of
from imageflow_pipelines.limits import MAX_SPEC_CHARS, MAX_SPEC_DEPTH
from imageflow_pipelines.spec import PipelineSpec

WHOLE = "spec"
"""The path of what concerns no place of its own."""


def read_spec(text: str) -> PipelineSpec:
    """Return the pipeline that YAML or JSON text describes; JSON is YAML too.

    Raises `InvalidPipeline` with the path of each fault.
    """
    return parse_spec(read_data(text))


def parse_spec(data: Any) -> PipelineSpec:
    """Return the pipeline that plain data describes; raise `InvalidPipeline` with the path of each fault."""
    check_plain(data)
    try:
        return PipelineSpec.model_validate(data)
    except ValidationError as error:
        raise InvalidPipeline(faults_of(error)) from error


def read_value(text: str) -> Any:
    """Return a parameter's value as YAML or JSON spells it; raise `InvalidPipeline` for what is neither."""
    data = read_data(text)
    check_plain(data)
    return data


def to_json_text(spec: PipelineSpec) -> str:
    """Return the spec as indented JSON, which `read_spec` reads back as an equal one."""
    return json.dumps(spec.to_data(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_yaml_text(spec: PipelineSpec) -> str:
    """Return the spec as YAML, which `read_spec` reads back as an equal one."""
    text: str = yaml.dump(spec.to_data(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def faults_of(error: ValidationError, path: str = "", *, whole: str = WHOLE) -> list[Fault]:
    """Return every fault of a model's input below `path`, without the values; `whole` names the input itself."""
    return [
        Fault(path=_path(path, fault["loc"]) or whole, reason=reason_of(fault["msg"]))
        for fault in error.errors(include_url=False, include_input=False)
    ]


def _path(path: str, loc: tuple[int | str, ...]) -> str:
    # A mapping's key and a union's branch are pydantic's words, not the author's.
    parts = [str(part) for part in loc if part not in ("[key]", "<one>", "<many>")]
    return ".".join([path, *parts] if path else parts)


def read_data(text: str) -> Any:
    """Return the plain data that YAML or JSON text holds; raise `InvalidPipeline` for text that is neither."""
    if len(text) > MAX_SPEC_CHARS:
        raise InvalidPipeline([Fault(path=WHOLE, reason=f"has more than {MAX_SPEC_CHARS:,} characters")])
    if text.lstrip().startswith("{"):
        try:
            return _json(text)
        except json.JSONDecodeError:
            pass  # YAML may begin so too, and says better where it breaks off
        except (ValueError, RecursionError) as error:
            raise InvalidPipeline([Fault(path=WHOLE, reason=f"is no JSON to be read: {error}")]) from error
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader that knows less than the safe one
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else WHOLE
        said = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise InvalidPipeline([Fault(path=where, reason=f"is neither YAML nor JSON: {said}")]) from error
    except (ValueError, OverflowError) as error:
        raise InvalidPipeline([Fault(path=WHOLE, reason=f"is neither YAML nor JSON: {error}")]) from error


def _json(text: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
        if twice is not None:
            raise _Twice(f"'{twice}' stands in it twice")
        return dict(pairs)

    return json.loads(text, object_pairs_hook=once)


class _Twice(ValueError):
    """A key stands twice in one object."""


def check_plain(data: Any) -> None:
    """Raise `InvalidPipeline` for what JSON cannot say, wherever it came from."""
    waiting: list[tuple[str, Any, int]] = [("", data, 1)]
    while waiting:
        path, value, depth = waiting.pop()
        if depth > MAX_SPEC_DEPTH:
            raise InvalidPipeline([Fault(path=path[:200], reason=f"lies deeper than {MAX_SPEC_DEPTH} levels")])
        match value:
            case dict():
                for key, item in value.items():
                    if not isinstance(key, str):
                        raise InvalidPipeline([Fault(path=path or WHOLE, reason=f"has a key that is no text: {key!r}")])
                    waiting.append((f"{path}.{key}" if path else key, item, depth + 1))
            case list():
                waiting.extend((f"{path}.{place}", item, depth + 1) for place, item in enumerate(value))
            case float() if not math.isfinite(value):
                raise InvalidPipeline([Fault(path=path or WHOLE, reason="is no finite number")])
            case None | bool() | int() | float() | str():
                pass
            case _:
                raise InvalidPipeline([Fault(path=path or WHOLE, reason=f"is a {type(value).__name__}")])


class _Loader(yaml.SafeLoader):
    """YAML with JSON's values: no dates, no sexagesimal numbers, no `yes`, no anchors, no key twice."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - filled below

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            # A few lines of references to references unfold into gigabytes.
            raise yaml.composer.ComposerError(None, None, "anchors and references are not taken", event.start_mark)
        self._depth += 1
        if self._depth > 2 * MAX_SPEC_DEPTH:
            raise yaml.composer.ComposerError(None, None, "lies too deep", event.start_mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key is no text", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"'{key.value}' stands here twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Writes floats as JSON does, quotes text that other readers or ours take for more, and never refers back."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - yaml's signature
        return True


def _float(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:float", json.dumps(value, allow_nan=False))


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # Other quotes would fold what Unicode takes for the end of a line into a space.
    style = '"' if _LINE_ENDS.search(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_LINE_ENDS = re.compile("[\x85\u2028\u2029\ufeff]")

_Dumper.add_representer(float, _float)
_Dumper.add_representer(str, _text)

for _tag, _pattern, _first in (
    ("null", r"(?:null|~|)\Z", ["n", "~", ""]),
    ("bool", r"(?:true|false)\Z", ["t", "f"]),
    ("int", r"-?(?:0|[1-9][0-9]*)\Z", [*"-0123456789"]),
    ("float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\Z", [*"-0123456789"]),
):
    for _side in (_Loader, _Dumper):
        _side.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)
