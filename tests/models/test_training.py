"""Training and export: the exported graph is the trained net, and training learns."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from imageflow_domain.errors import ModelRefused
from imageflow_domain.inference import ModelTask
from imageflow_models.bundle import read_bundle
from imageflow_models.calibration import calibrate
from imageflow_models.export import export
from imageflow_models.gate import check_model
from imageflow_models.network import HEAT, KINDS, SCORES
from imageflow_models.products import SIZE_PX, Split, draw
from imageflow_models.recipe import write_models
from imageflow_models.training import TrainingPlan, Weights, answer, first_weights, train

WEIGHTS = first_weights(np.random.default_rng(3))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Both bundles of a net that was never trained, calibrated on few pictures."""
    return write_models(tmp_path_factory.mktemp("made"), WEIGHTS, version=1, validation=60, on_progress=lambda _: None)


def test_the_gate_takes_both_exports_of_a_net(made: tuple[Path, Path]) -> None:
    cards = [check_model(read_bundle(folder)) for folder in made]
    assert [str(card.id) for card in cards] == ["product_defects@1", "product_heat@1"]
    assert [card.task for card in cards] == [ModelTask.DETECT, ModelTask.ANOMALY]


def test_the_gate_refuses_an_export_of_other_weights(made: tuple[Path, Path]) -> None:
    bundle = read_bundle(made[0])
    changed = dict(WEIGHTS)
    changed["far.weight"] = WEIGHTS["far.weight"] * np.float32(1.5)
    (made[0] / "model.onnx").write_bytes(export(changed, ModelTask.DETECT))
    try:
        with pytest.raises(ModelRefused, match=r"00_good\.png"):
            check_model(read_bundle(made[0]))
    finally:
        (made[0] / "model.onnx").write_bytes(bundle.data)


def test_the_same_weights_export_to_the_same_bytes() -> None:
    assert export(WEIGHTS, ModelTask.DETECT) == export(WEIGHTS, ModelTask.DETECT)


def test_a_few_steps_of_training_learn_something() -> None:
    told: list[str] = []
    plan = TrainingPlan(pictures=32, passes=30)
    weights = train(plan, told.append)
    first = _loss(first_weights(np.random.default_rng(plan.seed)))
    assert _loss(weights) < 0.75 * first  # 0.710 when it was written, by the seed of 0
    assert told[-1].startswith("step 60 of 60, loss ")


def _loss(weights: Weights) -> float:
    """Return the cross entropy of the heat on pictures that were learned from."""
    products = [draw(Split.TRAINING, seed) for seed in range(32)]
    heat = answer(weights, np.stack([product.pixels for product in products]))["heat"][:, 0].astype(np.float64)
    truth = np.stack(
        [np.any([np.zeros((SIZE_PX, SIZE_PX), bool), *(d.mask for d in p.defects)], axis=0) for p in products]
    )
    places = np.stack(
        [cv2.resize(mask.astype(np.float32), heat.shape[1:], interpolation=cv2.INTER_AREA) for mask in truth]
    )
    sure = np.where(places > 0.5, heat, 1 - heat)
    return float(-np.log(np.clip(sure, 1e-9, 1)).mean())


def test_calibration_puts_one_half_where_few_good_products_are() -> None:
    products = [draw(Split.VALIDATION, seed) for seed in range(40)]
    pixels = np.stack([product.pixels for product in products])
    calibrated = calibrate(WEIGHTS, products, answer(WEIGHTS, pixels))
    good = np.array([product.is_good for product in products])
    after = answer(calibrated, pixels[good])
    assert after["scores"].max(axis=(0, 1)) == pytest.approx(np.full(len(KINDS), 0.5), abs=0.01) or (
        after["scores"].max() <= 0.5
    )
    assert after["heat"].max() <= 0.51
    assert {name for name in WEIGHTS if not np.array_equal(WEIGHTS[name], calibrated[name])} <= {
        f"{SCORES}.bias",
        f"{HEAT}.bias",
    }
