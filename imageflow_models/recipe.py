"""From nothing to two bundles: draw, train, calibrate, export, and write what the gate will ask for."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imageflow_clients.inference.card import Wanted
from imageflow_domain.errors import Unavailable
from imageflow_domain.inference import ModelTask
from imageflow_models.bundle import write_bundle
from imageflow_models.calibration import calibrate
from imageflow_models.drawing import to_png
from imageflow_models.export import export
from imageflow_models.network import KINDS, MEAN, STD
from imageflow_models.products import Drawn, Split, draw

GOLDEN = 16
_AT_ONCE = 50
DETECTOR, HEATER = "product_defects", "product_heat"
_OUTPUTS = {ModelTask.DETECT: ("boxes", "scores"), ModelTask.ANOMALY: ("heat",)}


def make_models(
    folder: Path,
    *,
    version: int,
    pictures: int,
    passes: int,
    validation: int,
    seed: int,
    on_progress: Callable[[str], None],
) -> tuple[Path, Path]:
    """Train a net and write a bundle of a model that detects, and one of a model that heats; return their folders.

    Args:
        folder: The bundles' folders are made in it.
        version: Of both models.
        pictures: How many are drawn to learn from.
        passes: How often each of them is shown.
        validation: How many others the thresholds are set by.
        seed: Of the weights and of the order.
        on_progress: Called with the progress, in words.

    Raises `Unavailable` where JAX is not installed.
    """
    try:
        from imageflow_models.training import TrainingPlan, train
    except ModuleNotFoundError as error:
        raise Unavailable("Training needs JAX, which is not installed: pip install 'imageflow[train]'.") from error
    weights = train(TrainingPlan(pictures=pictures, passes=passes, seed=seed), on_progress)
    return write_models(folder, weights, version=version, on_progress=on_progress, validation=validation)


def write_models(
    folder: Path,
    weights: Mapping[str, NDArray[np.float32]],
    *,
    version: int,
    on_progress: Callable[[str], None],
    validation: int,
) -> tuple[Path, Path]:
    """Calibrate and export trained weights, and write both bundles; the originals of their answers are JAX's.

    Args:
        folder: The bundles' folders are made in it.
        weights: As `training.train` gives them.
        version: Of both models.
        on_progress: Called with the progress, in words.
        validation: How many pictures the thresholds are set by.
    """
    from imageflow_models.training import answer

    on_progress(f"calibrating on {validation} pictures")
    products = [draw(Split.VALIDATION, seed) for seed in range(validation)]
    parts = [
        answer(weights, np.stack([product.pixels for product in products[i : i + _AT_ONCE]]))
        for i in range(0, validation, _AT_ONCE)
    ]
    answers = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    calibrated = calibrate(weights, products, answers)
    golden = _golden(products)
    originals = answer(calibrated, np.stack([product.pixels for product in golden.values()]))
    pictures = {name: to_png(product) for name, product in golden.items()}
    written = []
    for name, task in ((DETECTOR, ModelTask.DETECT), (HEATER, ModelTask.ANOMALY)):
        wanted = Wanted(
            name=name,
            version=version,
            task=task,
            labels=tuple(KINDS) if task is ModelTask.DETECT else (),
            mean=MEAN,
            std=STD,
        )
        kept = {output: originals[output] for output in _OUTPUTS[task]}
        write_bundle(folder / f"{name}_{version}", wanted, export(calibrated, task), pictures, kept)
        written.append(folder / f"{name}_{version}")
    return written[0], written[1]


def _golden(products: list[Drawn]) -> dict[str, Drawn]:
    """Return pictures to compare answers on, half of them good, by names that say what they show."""
    good = [product for product in products if product.is_good][: GOLDEN // 2]
    bad = [product for product in products if not product.is_good][: GOLDEN // 2]
    return {f"{i:02}_{_what(product)}": product for i, product in enumerate(good + bad)}


def _what(product: Drawn) -> str:
    return "_".join(sorted({defect.kind.value for defect in product.defects})) or "good"
