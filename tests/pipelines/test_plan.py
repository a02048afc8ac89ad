"""Plans: what can run is put in order, what cannot is refused at the step that is to blame."""

from typing import Any

import pytest

from imageflow_domain.errors import InvalidPipeline
from imageflow_pipelines.limits import MAX_STEPS
from imageflow_pipelines.plan import plan
from imageflow_pipelines.spec import PipelineSpec
from imageflow_pipelines.spec_text import parse_spec, read_spec
from tests.pipelines.specs import JUDGED, decoded, spec, step


def _faults(given: PipelineSpec) -> dict[str, str]:
    with pytest.raises(InvalidPipeline) as refused:
        plan(given)
    return {fault.path: fault.reason for fault in refused.value.faults}


def test_steps_come_after_those_that_feed_them_whatever_order_they_were_written_in() -> None:
    written = read_spec(JUDGED)
    turned = written.model_copy(update={"steps": dict(reversed(written.steps.items()))})
    order = list(plan(turned).steps)
    for name, each in plan(turned).steps.items():
        assert all(order.index(parent) < order.index(name) for parent in each.parents)
    assert list(plan(written).steps) == ["decode", "mask", "blobs", "any", "drawn", "either", "out"]


def test_an_unknown_component_is_told_with_the_nearest() -> None:
    faults = _faults(decoded({"small": step("resise@1", image="decode.image")}, a="small.image"))
    assert faults == {"steps.small.use": faults["steps.small.use"]}
    assert "'resise@1': there is resize@1" in faults["steps.small.use"]


def test_a_version_that_was_never_released_is_unknown() -> None:
    assert "steps.small.use" in _faults(decoded({"small": step("resize@99", image="decode.image")}, a="small.image"))


def test_all_faults_of_all_steps_are_told_at_once() -> None:
    faults = _faults(
        decoded(
            {
                "crop": step("crop@1", {"width_px": -1, "colour": "red"}, image="decode.pixels"),
                "blur": step("blur@1", {"radius_px": "3"}, picture="crop.image"),
                "mask": step("threshold@1", image=["decode.image", "crop.image"]),
                "empty": step("overlay@1", image="decode.image", detections=[]),
            },
            a="nowhere.image",
            b="mask.image",
            c="inputs.other",
        )
    )
    assert set(faults) == {
        "steps.crop.with.width_px",
        "steps.crop.with.height_px",
        "steps.crop.with.colour",
        "steps.crop.from.image",
        "steps.blur.with.radius_px",
        "steps.blur.from.picture",
        "steps.blur.from.image",
        "steps.mask.from.image",
        "steps.empty.from.detections",
        "outputs.a",
        "outputs.b",
        "outputs.c",
    }
    assert faults["steps.crop.from.image"] == "'decode' (decode@1) has no output 'pixels': it has image"
    assert faults["steps.blur.from.image"] == "is not fed; it takes image"
    assert faults["steps.mask.from.image"] == "takes one edge, not 2"


def test_a_cycle_is_told_by_its_steps_and_not_at_those_that_hang_on_it() -> None:
    faults = _faults(
        decoded(
            {
                "a": step("blur@1", image="c.image"),
                "b": step("blur@1", image="a.image"),
                "c": step("blur@1", image="b.image"),
                "after": step("blur@1", image="c.image"),
                "self": step("blur@1", image="self.image"),
            },
            out="after.image",
        )
    )
    assert set(faults) == {"steps.a", "steps.self"} or set(faults) == {"steps.b", "steps.self"} or len(faults) == 2
    said = " ".join(faults.values())
    assert "after" not in said
    assert "self -> self" in said
    assert any(f"{x} -> {y} -> {z} -> {x}" in said for x, y, z in ("abc", "bca", "cab"))


def test_kinds_that_do_not_fit_are_told_at_the_edge() -> None:
    faults = _faults(
        decoded({"grow": step("morphology@1", {"operation": "dilate"}, mask="decode.image")}, a="grow.mask")
    )
    assert faults == {"steps.grow.from.mask": "takes mask, but decode.image gives image"}


def test_kinds_are_followed_through_branches_and_merges() -> None:
    steps: dict[str, Any] = {
        "mask": step("threshold@1", image="decode.image"),
        "blobs": step("blobs@1", {"mm_per_px": 1}, mask="mask.mask"),
        "any": step(
            "branch@1",
            {"measurement": "count", "condition": ">", "limit": 0},
            value="mask.mask",
            measurements="blobs.measurements",
        ),
        "one": step("merge@1", values=["any.yes", "any.no"]),
    }
    assert plan(
        decoded({**steps, "grow": step("morphology@1", {"operation": "open"}, mask="one.value")}, a="grow.mask")
    )
    wrong = decoded({**steps, "blur": step("blur@1", image="one.value")}, a="blur.image")
    assert _faults(wrong) == {"steps.blur.from.image": "takes image, but one.value gives mask"}
    mixed = decoded({**steps, "mixed": step("merge@1", values=["any.yes", "decode.image"])}, a="mixed.value")
    assert _faults(mixed) == {"steps.mixed.from.values": "takes one kind at a time, not mask, image"}


def test_sources_are_encoded_pictures() -> None:
    assert "steps.blur.from.image" in _faults(spec({"blur": step("blur@1", image="inputs.picture")}, a="blur.image"))


def test_more_steps_than_may_be_are_refused() -> None:
    many = {f"s{i}": step("blur@1", image="decode.image") for i in range(MAX_STEPS)}
    assert _faults(decoded(many, a="s0.image")) == {"steps": f"there are {MAX_STEPS + 1} steps, more than {MAX_STEPS}"}


def test_more_edges_than_may_be_are_refused() -> None:
    many = {"m": step("merge@1", values=["decode.image"] * 1_001)}
    assert "more than 1,000" in _faults(decoded(many, a="m.value"))["steps"]


def test_names_that_stand_for_something_else_are_refused() -> None:
    taken = spec({"inputs": step("decode@1", picture="inputs.picture")}, a="inputs.image")
    assert "steps.inputs" in _faults(taken)
    twice = parse_spec(
        {
            "pipeline": "a",
            "inputs": ["x", "x"],
            "steps": {"d": step("decode@1", picture="inputs.x")},
            "outputs": {"o": "d.image"},
        }
    )
    assert _faults(twice) == {"inputs.1": "'x' stands here twice"}
