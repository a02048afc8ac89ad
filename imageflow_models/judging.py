"""Two judges of drawn products: a model as pipelines use it, and a threshold, which any model has to beat."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from typing_extensions import override

from imageflow_clients.inference.card import Card
from imageflow_clients.inference.onnx_runtime import OnnxSession, Runtime
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import InvalidInput, NotFound
from imageflow_domain.inference import InferenceSession, ModelDescription, ModelId, ModelRegistry, ReferenceImage
from imageflow_models.products import Drawn, Pixels, Split, draw
from imageflow_models.scoring import Judge
from imageflow_pipelines.component import Context
from imageflow_pipelines.components.detect import Detect
from imageflow_pipelines.values import Box, Detection, Image

_LARGE_PX = 21
_LEAST_LIGHT = 60.0
"""Grey levels: what is darker is belt."""
_MAX_OVERLAP = 0.2
"""Of a scratch's pieces; products have no defects of one kind upon each other."""
_LEVELS = np.linspace(4, 60, 57)


class OneModel(ModelRegistry):
    """A registry of one model that is not registered (yet)."""

    def __init__(self, card: Card, data: bytes, runtime: Runtime | None = None) -> None:
        self._session = OnnxSession(card.describe(), data, runtime or Runtime())

    @override
    def describe(self, model: ModelId) -> ModelDescription:
        return self.open(model).model

    @override
    def open(self, model: ModelId) -> InferenceSession:
        if model != self._session.model.id:
            raise NotFound(f"There is no model '{model}' here, only '{self._session.model.id}'.")
        return self._session

    @override
    def reference(self, model: ModelId) -> ReferenceImage:
        raise InvalidInput(f"Model '{model}' is no reference image: there is only '{self._session.model.id}'.")


def judge_by_model(models: ModelRegistry, model: ModelId) -> Judge:
    """Return what the component `detect` makes of a model's answers."""
    component, context = (
        Detect(model=str(model), max_overlap=_MAX_OVERLAP),
        Context(models=models, cancellation=Cancellation()),
    )

    def judge(product: Drawn) -> Sequence[Detection]:
        return component(Image(product.pixels), context).items

    return judge


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A product is bad if more than `most_px` of its pixels differ from their surroundings by more than `level`."""

    level: float
    """Grey levels."""
    most_px: int

    def __call__(self, product: Drawn) -> Sequence[Detection]:
        """Return one detection of the whole picture, as sure as can be, if the product is bad; else none."""
        found = int(_counts(product.pixels)[np.searchsorted(_LEVELS, self.level)])
        height, width = product.pixels.shape[:2]
        everywhere = Box(x_px=0, y_px=0, width_px=width, height_px=height)
        return [Detection(label="different", score=1.0, box=everywhere)] if found > self.most_px else []


def best_threshold(pictures: int) -> Threshold:
    """Return the threshold whose F1 is best on so many products for validation."""
    products = [draw(Split.VALIDATION, seed) for seed in range(pictures)]
    counts = np.stack([_counts(product.pixels) for product in products])
    bad = np.array([not product.is_good for product in products])
    best, chosen = -1.0, Threshold(level=float(_LEVELS[0]), most_px=0)
    for column, level in enumerate(_LEVELS):
        for most in np.unique(counts[:, column]):
            called = counts[:, column] > most
            hits = int((called & bad).sum())
            f1 = 2 * hits / max(int(called.sum() + bad.sum()), 1)
            if f1 > best:
                best, chosen = f1, Threshold(level=float(level), most_px=int(most))
    return chosen


def _counts(pixels: Pixels) -> "np.typing.NDArray[np.int64]":
    """Return, for each level, how many of the product's pixels differ from their surroundings' median by more."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    surroundings = cv2.medianBlur(grey, _LARGE_PX).astype(np.float32)
    smooth = cv2.GaussianBlur(grey, (0, 0), 1).astype(np.float32)
    differences = np.sort(np.abs(smooth - surroundings)[surroundings > _LEAST_LIGHT])
    return np.asarray(len(differences) - np.searchsorted(differences, _LEVELS, side="right"))
