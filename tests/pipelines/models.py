"""Models that are plain arithmetic on the input tensor, so that their answers are known beforehand."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import NotFound
from imageflow_domain.inference import ModelDescription, ModelId, ModelTask, ReferenceImage, Tensor, TensorType
from imageflow_pipelines.values import Image
from tests.pipelines.pictures import encoded, speckled

Tensors = Mapping[str, NDArray[Any]]
Answer = Callable[[NDArray[Any]], dict[str, NDArray[Any]]]


class Arithmetic:
    """A session whose model is a function."""

    provider = "numpy"
    max_batch = 8

    def __init__(self, task: ModelTask, answer: Answer, *labels: str, size: tuple[int, int] | None = (32, 24)) -> None:
        width, height = size or (None, None)
        self._answer = answer
        self.calls = 0
        self.model = ModelDescription(
            id=ModelId(name=task.value, version=1),
            digest="0" * 64,
            task=task,
            inputs=(Tensor(name="image", dtype=TensorType.FLOAT32, shape=(None, 3, height, width)),),
            outputs=(),
            labels=labels,
        )

    def run(self, inputs: Tensors, cancellation: Cancellation) -> Tensors:
        cancellation.check()
        self.calls += 1
        tensor = inputs["image"]
        assert tensor.dtype == np.float32
        assert tensor.flags.c_contiguous
        return self._answer(tensor)


class Models:
    """A registry of sessions and of reference images by name, all of version 1."""

    def __init__(self, **sessions: Any) -> None:
        self._sessions = sessions

    def reference(self, model: ModelId) -> ReferenceImage:
        found = self.open(model)
        assert isinstance(found, ReferenceImage)
        return found

    def describe(self, model: ModelId) -> ModelDescription:
        described: ModelDescription = self.open(model).model
        return described

    def open(self, model: ModelId) -> Any:
        if model.name not in self._sessions or model.version != 1:
            raise NotFound(f"There is no model '{model}': there is {', '.join(self._sessions)}.")
        return self._sessions[model.name]


def colours() -> Arithmetic:
    """Scores a picture by its mean red, green and blue."""
    return Arithmetic(
        ModelTask.CLASSIFY, lambda x: {"scores": x.mean(axis=(2, 3), dtype=np.float64)}, "red", "green", "blue"
    )


def brightest() -> Arithmetic:
    """Finds the same two overlapping boxes of one label, and one elsewhere of the other, in any picture."""
    boxes = np.array([[(4, 3, 20, 15), (5, 3, 21, 15), (24, 18, 32, 24)]], np.float32)
    scores = np.array([[(0.8, 0.1), (0.9, 0.1), (0.2, 0.7)]], np.float32)
    return Arithmetic(ModelTask.DETECT, lambda _: {"boxes": boxes, "scores": scores}, "dent", "scratch")


def redness() -> Arithmetic:
    """Heats where red is, at the input's size."""
    return Arithmetic(ModelTask.ANOMALY, lambda x: {"heat": x[:, :1]})


def reference_image(data: bytes) -> ReferenceImage:
    return ReferenceImage(
        model=ModelDescription(
            id=ModelId(name="part", version=1),
            digest=hashlib.sha256(data).hexdigest(),
            task=ModelTask.ALIGN,
            inputs=(),
            outputs=(),
            labels=(),
        ),
        data=data,
    )


def registry() -> Models:
    part = reference_image(encoded(Image(speckled(72, 54, 3))).data)
    return Models(colours=colours(), boxes=brightest(), heat=redness(), part=part)
