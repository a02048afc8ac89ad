"""Steps that run in another process."""

import pickle

import pytest

from imageflow_clients.step_process import StepProcesses
from imageflow_domain.errors import StepFailed, StepRefused
from imageflow_pipelines import plan_run
from imageflow_pipelines.canonical import digest
from imageflow_pipelines.component import megapixels
from imageflow_pipelines.engine import Engine
from imageflow_pipelines.limits import ISOLATE_FROM_S, MAX_PICTURE_PX
from imageflow_pipelines.plan import plan
from imageflow_pipelines.spec_text import read_spec
from imageflow_pipelines.values import Encoded
from tests.pipelines.clockwork import CALLS, REGISTRY
from tests.pipelines.engine_runs import run
from tests.pipelines.pictures import encoded, scene
from tests.pipelines.specs import JUDGED, spec, step


@pytest.fixture(autouse=True)
def _calls() -> None:
    CALLS.clear()


def test_long_steps_give_the_same_in_another_process(processes: StepProcesses) -> None:
    given = spec(
        {
            "s": step("sleeper@1", {"seconds": 0, "expected_s": 60}, picture="inputs.picture"),
            "bad": step("flaky@1", {"note": "x", "times": 0}, picture="inputs.picture"),
        },
        s="s.text",
        bad="bad.text",
    )
    assert run(given, Engine(isolation=processes)).succeeded().outputs == run(given).succeeded().outputs


def test_a_process_that_dies_fails_its_step_alone(processes: StepProcesses) -> None:
    execution = run(spec({"d": step("dier@1", picture="inputs.picture")}, out="d.text"), Engine(isolation=processes))
    assert isinstance(execution.error, StepFailed)
    assert "ended without an answer (exit status 9)" in str(execution.error)
    sleeper = step("sleeper@1", {"seconds": 0, "expected_s": 60}, picture="inputs.picture")
    assert run(spec({"s": sleeper}, out="s.text"), Engine(isolation=processes)).succeeded()


def test_what_a_step_will_cost_is_known_before_a_picture_is_unpacked() -> None:
    assert megapixels({"picture": encoded(scene(300, 200))}) == pytest.approx(0.06)
    assert megapixels({"picture": Encoded(b"no picture")}) == pytest.approx(1e-5)
    assert megapixels({"image": scene(300, 200), "detections": (), "mask": None}) == pytest.approx(0.06)


def test_huge_pictures_are_worked_on_where_they_can_be_stopped() -> None:
    """On the largest picture every component that may last over a second there is expected to."""
    for use, parameters in {
        "decode@1": {},
        "encode@1": {"format": "webp"},
        "blur@1": {"radius_px": 100},
        "morphology@1": {"operation": "close", "radius_px": 50},
        "feature_match@1": {},
        "template_match@1": {},
        "barcodes@1": {},
        "barcodes@2": {},
    }.items():
        component = REGISTRY.find(use).from_parameters(parameters)
        assert component.cpu_s(MAX_PICTURE_PX / 1e6) > ISOLATE_FROM_S
        assert component.cpu_s(1920 * 1080 / 1e6) < ISOLATE_FROM_S


def test_real_steps_give_the_same_bytes_in_another_process(
    processes: StepProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = run(read_spec(JUDGED)).succeeded().outputs
    monkeypatch.setattr(plan_run, "ISOLATE_FROM_S", -1)
    elsewhere = run(read_spec(JUDGED), Engine(isolation=processes)).succeeded().outputs
    assert {name: value and digest(value) for name, value in elsewhere.items()} == {
        name: value and digest(value) for name, value in here.items()
    }


def test_a_step_refuses_its_input_in_another_process_as_it_does_here(
    processes: StepProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_run, "ISOLATE_FROM_S", -1)
    with Engine(isolation=processes) as engine:
        execution = engine.run(plan(read_spec(JUDGED)), {"picture": b"no picture"})
    assert isinstance(execution.error, StepRefused)
    assert "no JPEG, PNG, WebP or BMP picture" in str(execution.error)


def test_pixels_that_were_elsewhere_still_cannot_be_written() -> None:
    image = pickle.loads(pickle.dumps(scene()))  # noqa: S301 - written right here
    with pytest.raises(ValueError, match="read-only"):
        image.pixels[0, 0] = 0
