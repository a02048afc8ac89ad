"""Specs as text: both notations are equal, and every fault is reported with its path."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from imageflow_domain.errors import InvalidPipeline
from imageflow_pipelines.spec import PipelineSpec
from imageflow_pipelines.spec_text import parse_spec, read_spec, read_value, to_json_text, to_yaml_text
from tests.pipelines.specs import JUDGED, decoded, step
from tests.thorough import repeated

_SPEC = read_spec(JUDGED)


def _faults(text: str) -> dict[str, str]:
    with pytest.raises(InvalidPipeline) as refused:
        read_spec(text)
    return {fault.path: fault.reason for fault in refused.value.faults}


def test_yaml_and_json_say_the_same() -> None:
    assert read_spec(to_json_text(_SPEC)) == _SPEC
    assert read_spec(to_yaml_text(_SPEC)) == _SPEC
    assert to_yaml_text(read_spec(to_json_text(_SPEC))) == to_yaml_text(_SPEC)
    assert to_json_text(read_spec(to_yaml_text(_SPEC))) == to_json_text(_SPEC)


def test_what_is_written_is_read_alike_by_other_readers() -> None:
    data = _SPEC.to_data()
    assert json.loads(to_json_text(_SPEC)) == data
    assert yaml.safe_load(to_yaml_text(_SPEC)) == data


_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
)
_TRICKY = st.sampled_from(
    [
        *("1e5", "yes", "null", "~", "", "2026-11-21", "12:30:00", "0x1f", "0o17", "1_000", ".5", "5.", "-", "- a"),
        *("a: b", "#", "é\n", "\t", "\u2028", "=", "<<", "!!str", "&a", "*a", "%", "@", "😀", "\x85", "\ufeff", "NaN"),
    ]
)
_VALUES = st.recursive(
    _SCALARS | _TRICKY,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TRICKY | st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal and of the same types throughout: 1, 1.0 and True are three things."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@settings(max_examples=repeated(100, thorough=400))
@given(st.dictionaries(_TRICKY | st.text(max_size=8), _VALUES, max_size=5))
def test_any_parameters_survive_both_notations(parameters: dict[str, Any]) -> None:
    spec = decoded({"odd": step("crop@1", parameters, image="decode.image")}, a="odd.image")
    for text in (to_json_text(spec), to_yaml_text(spec)):
        assert _same(read_spec(text).steps["odd"].parameters, parameters)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("3", 3), ("3.0", 3.0), ("1e-5", 1e-5), ("true", True), ("null", None), ("[1, a]", [1, "a"]), ('"3"', "3")),
        *((text, text) for text in ("yes", "2026-11-21", "12:30:00", "0x10", "010")),
        ('{"a": 1}', {"a": 1}),
    ],
)
def test_values_are_what_json_makes_of_them(text: str, value: Any) -> None:
    assert _same(read_value(text), value)


def test_every_fault_of_the_shape_is_told_with_its_path() -> None:
    faults = _faults(
        """
        pipeline: Not A Name
        version: 0
        colour: red
        steps:
          a: {use: resize, from: {image: nowhere}}
          b: {use: resize@1, retry: {attempts: 99}, timeout_s: -1, extra: 1}
        """
    )
    assert set(faults) == {
        "pipeline",
        "version",
        "colour",
        "outputs",
        "steps.a.use",
        "steps.a.from.image",
        "steps.b.retry.attempts",
        "steps.b.timeout_s",
        "steps.b.extra",
    }
    assert faults["steps.a.use"] == "'resize' names no component: it looks like 'resize@1'"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: &x [1]\nb: *x", "anchors and references are not taken"),
        ("a: 1\na: 2", "'a' stands here twice"),
        ('{"a": 1, "a": 2}', "'a' stands in it twice"),
        ("a: .nan", None),
        ('{"a": NaN}', "is no finite number"),
        ('{"a": 1e999}', "is no finite number"),
        ("a: !!binary aGk=", "is a bytes"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("1: 2", "has a key that is no text"),
        ("a: {", "expected the node content"),
        ("[" * 100_000, "lies too deep"),
        ('{"a":' * 100_000, None),
        ("a: " + "[" * 40 + "]" * 40, "lies deeper than 32 levels"),
        ("x" * 1_000_001, "more than 1,000,000 characters"),
        ("a: " + "9" * 5000, None),
        ("\x00", None),
        ("", "valid dictionary"),
        ("- 1", "valid dictionary"),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_hostile_texts_are_refused_in_words(text: str, reason: str | None) -> None:
    faults = _faults(text)
    assert faults
    if reason is not None:
        assert any(reason in said for said in faults.values()), faults


@settings(max_examples=repeated(80, thorough=300))
@given(st.text(max_size=80))
def test_any_text_ends_in_a_spec_or_in_faults(text: str) -> None:
    with pytest.raises(InvalidPipeline):
        read_spec(text)


@settings(max_examples=repeated(80, thorough=300))
@given(st.data())
def test_damaged_specs_end_in_a_spec_or_in_faults(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([JUDGED, to_json_text(_SPEC)]))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(text) - 1))
        text = text[:place] + data.draw(st.text(max_size=3)) + text[place + data.draw(st.integers(0, 3)) :]
    try:
        spec = read_spec(text)
    except InvalidPipeline as error:
        assert all(fault.path and fault.reason for fault in error.faults)  # noqa: PT017 - either is right
    else:
        assert isinstance(spec, PipelineSpec)


def test_overridden_parameters_leave_the_spec_as_it_was() -> None:
    changed = _SPEC.with_parameters({"mask": {"level": 9}, "out": {"quality": 5}})
    assert changed.steps["mask"].parameters == {"level": 9}
    assert changed.steps["out"].parameters == {"format": "png", "quality": 5}
    assert _SPEC.steps["mask"].parameters == {"level": 128}
    with pytest.raises(InvalidPipeline, match=r"steps\.nope: there is no such step"):
        _SPEC.with_parameters({"nope": {}})


def test_data_that_json_cannot_say_is_refused_wherever_it_comes_from() -> None:
    for value in (float("inf"), {1: 2}, {"a"}, b"bytes", object()):
        with pytest.raises(InvalidPipeline):
            parse_spec({"pipeline": "a", "steps": {}, "outputs": {}, "description": value})
