"""Manifests of container components: every mistake is one sentence at its path; parameters follow their schema."""

import copy
from typing import Any

import pytest

from imageflow_domain.errors import InvalidManifest, InvalidPipeline, NotFound
from imageflow_pipelines.container_component import container_component
from imageflow_pipelines.manifest import parse_manifest, read_manifest
from imageflow_pipelines.plan import plan
from imageflow_pipelines.registry import RELEASED, Registry, describe
from imageflow_pipelines.spec_text import parse_spec

IMAGE = f"registry.example.com/focus@sha256:{'1' * 64}"
FOCUS: dict[str, Any] = {
    "name": "focus",
    "version": 2,
    "description": "Measure focus.",
    "inputs": {"image": {"kind": "image"}, "near": {"kind": "detections", "required": False, "many": True}},
    "outputs": {"measurements": {"kind": "measurements"}, "heat": {"kind": "image", "same_size_as": "image"}},
    "parameters": {
        "type": "object",
        "required": ["mode"],
        "properties": {
            "gain": {"type": "integer", "minimum": 1, "maximum": 64, "default": 4},
            "mode": {"type": "string", "enum": ["fine", "coarse"]},
            "weights": {"type": "array", "items": {"type": "number", "exclusiveMinimum": 0}, "maxItems": 3},
        },
    },
    "resources": {"cpus": 0.5, "memory_mb": 256},
}


def _with(**changed: Any) -> dict[str, Any]:
    return {**copy.deepcopy(FOCUS), **changed}


def test_yaml_and_json_give_the_same_manifest() -> None:
    text = """
name: focus
version: 2
description: Measure focus.
inputs: {image: {kind: image}, near: {kind: detections, required: false, many: true}}
outputs: {measurements: {kind: measurements}, heat: {kind: image, same_size_as: image}}
parameters:
  type: object
  required: [mode]
  properties:
    gain: {type: integer, minimum: 1, maximum: 64, default: 4}
    mode: {type: string, enum: [fine, coarse]}
    weights: {type: array, items: {type: number, exclusiveMinimum: 0}, maxItems: 3}
resources: {cpus: 0.5, memory_mb: 256}
"""
    assert read_manifest(text) == parse_manifest(FOCUS)
    assert parse_manifest(parse_manifest(FOCUS).to_data()) == parse_manifest(FOCUS)


FAULTS: list[tuple[dict[str, Any], str, str]] = [
    (_with(name="Focus"), "name", ""),
    (_with(version=0), "version", "greater than or equal to 1"),
    (_with(author="me"), "author", "Extra inputs"),
    (_with(inputs={}), "inputs", "at least 1 item"),
    (_with(inputs={"image": {"kind": "video"}}), "inputs.image.kind", "'video' is no kind of value: there is encoded"),
    (_with(outputs={"heat": {"kind": "image", "same_size_as": "x"}}), "manifest", "outputs.heat.same_size_as"),
    (_with(outputs={"n": {"kind": "text", "same_size_as": "image"}}), "manifest", "outputs.n.same_size_as"),
    (_with(resources={"memory_mb": 1}), "resources.memory_mb", "greater than or equal to 16"),
    (_with(resources={"time_limit_s": 0}), "resources.time_limit_s", "greater than 0"),
    (_with(parameters={"type": "string"}), "parameters", "must be a JSON Schema of type 'object'"),
    (
        _with(parameters={"type": "object", "properties": {"a": {"$ref": "#/x"}}}),
        "parameters.properties.a",
        "needs a 'type'",
    ),
    (
        _with(parameters={"type": "object", "properties": {"a": {"type": "string", "pattern": "(a+)+"}}}),
        "parameters.properties.a.pattern",
        "is not taken in a schema of type string",
    ),
    (
        _with(parameters={"type": "object", "properties": {"a": {"type": "integer", "maximum": 3, "default": 4}}}),
        "parameters.properties.a.default",
        "must be at most 3",
    ),
    (
        _with(parameters={"type": "object", "properties": {"a": {"type": "integer", "minimum": "3"}}}),
        "parameters.properties.a.minimum",
        "must be of type number",
    ),
    (
        _with(parameters={"type": "object", "properties": {"a": {"type": "string", "enum": [1]}}}),
        "parameters.properties.a.enum",
        "must hold values of type string",
    ),
    (
        _with(parameters={"type": "object", "properties": {}, "required": ["a"]}),
        "parameters.required",
        "names 'a', which is not in 'properties'",
    ),
    (
        _with(parameters={"type": "object", "additionalProperties": True}),
        "parameters.additionalProperties",
        "must be false",
    ),
    (
        _with(parameters={"type": "object", "properties": {"a": {"type": "array", "items": {"type": "any"}}}}),
        "parameters.properties.a.items",
        "needs a 'type'",
    ),
    (
        _with(description="x" * 1999, changes="y" * 1999, parameters={"type": "object", "description": "z" * 70_000}),
        "manifest",
        "has more than 64,000 bytes",
    ),
]


@pytest.mark.parametrize(
    ("manifest", "path", "reason"), FAULTS, ids=[f"{path}-{place}" for place, (_, path, _) in enumerate(FAULTS)]
)
def test_each_mistake_is_one_sentence_at_its_path(manifest: dict[str, Any], path: str, reason: str) -> None:
    with pytest.raises(InvalidManifest) as error:
        parse_manifest(manifest)
    (fault,) = error.value.faults
    assert fault.path == path
    assert reason in fault.reason


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(InvalidManifest, match="The manifest has 3 faults:") as error:
        parse_manifest(_with(version="2", resources={"cpu": 1}, parameters={"type": "object", "properties": {"a": 1}}))
    assert {fault.path for fault in error.value.faults} == {"version", "resources.cpu", "parameters.properties.a"}


@pytest.mark.parametrize("text", ["name: [", "- 1", "&a name: 1", "name: 2026-01-01\nname: x", "\0"])
def test_text_that_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(InvalidManifest, match="The manifest has"):
        read_manifest(text)


def _registry() -> Registry:
    return RELEASED.with_containers([container_component(IMAGE, FOCUS)])


def _spec(**parameters: Any) -> dict[str, Any]:
    return {
        "pipeline": "sharp",
        "steps": {
            "decode": {"use": "decode@2", "from": {"picture": "inputs.picture"}},
            "focus": {"use": "focus@2", "with": {"mode": "fine", **parameters}, "from": {"image": "decode.image"}},
            "grown": {"use": "resize@1", "with": {"width_px": 10}, "from": {"image": "focus.heat"}},
        },
        "outputs": {"focus": "focus.measurements", "heat": "grown.image"},
    }


def test_a_spec_mixes_python_and_container_components() -> None:
    step = plan(parse_spec(_spec()), _registry()).steps["focus"]
    assert step.component.model_dump() == {"parameters": {"mode": "fine", "gain": 4}}, "defaults are filled in"
    assert step.component.container is not None
    assert step.component.container.image == IMAGE
    assert step.required == {"image"}
    assert step.many == {"near"}


@pytest.mark.parametrize(
    ("parameters", "path", "reason"),
    [
        ({"gain": 65}, "gain", "must be at most 64"),
        ({"gain": True}, "gain", "must be of type integer"),
        ({"mode": "rough"}, "mode", "must be one of fine, coarse"),
        ({"gian": 1}, "gian", "is no parameter: there is gain, mode, weights"),
        ({"weights": [1, 0]}, "weights.1", "must be more than 0"),
        ({"weights": [1, 2, 3, 4]}, "weights", "must have at most 3 items"),
    ],
)
def test_wrong_parameters_are_faults_of_the_spec(parameters: dict[str, Any], path: str, reason: str) -> None:
    with pytest.raises(InvalidPipeline) as error:
        plan(parse_spec(_spec(**parameters)), _registry())
    assert [(fault.path, fault.reason) for fault in error.value.faults] == [(f"steps.focus.with.{path}", reason)]


def test_a_missing_parameter_and_a_wrong_kind_are_faults_of_the_spec() -> None:
    spec = _spec()
    del spec["steps"]["focus"]["with"]["mode"]
    with pytest.raises(InvalidPipeline, match=r"steps.focus.with.mode: is required"):
        plan(parse_spec(spec), _registry())
    spec = _spec()
    spec["steps"]["focus"]["from"]["image"] = "inputs.picture"
    with pytest.raises(InvalidPipeline, match=r"takes image, but inputs\.picture gives encoded"):
        plan(parse_spec(spec), _registry())


def test_other_versions_are_other_components() -> None:
    registry = RELEASED.with_containers(
        [container_component(IMAGE, _with(version=1)), container_component(IMAGE, _with(version=3, changes="Faster."))]
    )
    with pytest.raises(NotFound, match="focus@1"):
        registry.find("focus@2")
    assert [each.reference() for each in registry.newer("focus@1")] == ["focus@3"]


def test_a_container_is_described_as_any_component() -> None:
    described = describe(container_component(IMAGE, FOCUS))
    assert described["parameters"] == FOCUS["parameters"]
    assert described["image"] == IMAGE
    assert [port["name"] for port in described["outputs"]] == ["measurements", "heat"]
    assert describe(RELEASED.find("resize@1"))["image"] is None
