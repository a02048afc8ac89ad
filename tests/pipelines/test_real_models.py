"""Pipelines that ask real models: ONNX files, registered and computed by ONNX Runtime."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from imageflow_clients.inference.onnx_runtime import Provider, Runtime
from imageflow_clients.inference.stored_models import ModelStore, OnnxModels
from imageflow_clients.object_stores import open_object_store
from imageflow_clients.settings import Settings
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import Cancelled
from imageflow_domain.inference import ModelId
from imageflow_pipelines.canonical import digest
from imageflow_pipelines.engine import Engine
from imageflow_pipelines.execution import StepStatus
from imageflow_pipelines.plan import plan
from imageflow_pipelines.spec import PipelineSpec
from imageflow_pipelines.values import Image, Measurements
from tests.inference.onnx_models import SIDE, card, endless, mean_heat, sample
from tests.pipelines.pictures import encoded
from tests.pipelines.specs import decoded, step


@pytest.fixture
def models(tmp_path: Path) -> OnnxModels:
    store = ModelStore(open_object_store(Settings(home=tmp_path / "home")))
    for name, data in (("heat", mean_heat()), ("endless", endless())):
        store.add(card(data, name=name), data, sample(data))
    return OnnxModels(store, Runtime(provider=Provider.CPU))


def _picture() -> bytes:
    """Dark, with a bright square of 4 x 4 in a picture of the model's own size."""
    pixels = np.full((SIDE, SIDE, 3), 51, np.uint8)
    pixels[4:8, 8:12] = 204
    return encoded(Image(pixels)).data


def _judged(model: str) -> PipelineSpec:
    return decoded(
        {"judge": step("anomaly@1", {"model": model, "threshold": 0.5}, image="decode.image")},
        heat="judge.heat",
        mask="judge.mask",
        found="judge.detections",
        measured="judge.measurements",
    )


def test_a_model_heats_what_it_is_known_to_heat(models: OnnxModels) -> None:
    with Engine(models=models) as engine:
        first, again = (engine.run(plan(_judged("heat@1")), {"picture": _picture()}).succeeded() for _ in range(2))
    heat, measured = first.outputs["heat"], first.outputs["measured"]
    assert isinstance(heat, Image)
    assert isinstance(measured, Measurements)
    assert set(np.unique(heat.pixels)) == {51, 204}
    assert measured.value("anomaly") == pytest.approx(0.8)
    (found,) = first.outputs["found"].items  # type: ignore[union-attr]
    assert (found.box.x_px, found.box.y_px, found.box.width_px, found.box.height_px) == (8, 4, 4, 4)
    assert {n: v and digest(v) for n, v in first.outputs.items()} == {
        n: v and digest(v) for n, v in again.outputs.items()
    }


def test_a_run_is_cancelled_inside_a_model_that_would_compute_for_hours(models: OnnxModels) -> None:
    switch = Cancellation()
    thrown_s: list[float] = []

    def throw() -> None:
        thrown_s.append(time.perf_counter())
        switch.cancel("Enough.")

    with Engine(models=models) as engine:
        models.open(ModelId(name="endless", version=1))  # loading it is not what is measured
        threading.Timer(0.5, throw).start()
        execution = engine.run(plan(_judged("endless@1")), {"picture": _picture()}, cancellation=switch)
    assert time.perf_counter() - thrown_s[0] < 2
    assert isinstance(execution.error, Cancelled)
    assert execution.steps["judge"].status is StepStatus.CANCELLED


def test_a_model_that_outlasts_its_time_fails_its_step_alone(models: OnnxModels) -> None:
    given = _judged("endless@1").to_data()
    given["steps"]["judge"]["timeout_s"] = 0.5
    with Engine(models=models) as engine:
        execution = engine.run(plan(PipelineSpec.model_validate(given)), {"picture": _picture()})
    assert str(execution.error) == "Step 'judge' failed: It took longer than 0.5 s."
