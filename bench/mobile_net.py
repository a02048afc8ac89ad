"""A net of 3.5 million parameters to measure with: MobileNetV2 (M. Sandler et al., 2018) with random weights."""

import hashlib
import os
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from typing_extensions import override

from imageflow_clients.inference.card import Card, Wanted
from imageflow_clients.inference.onnx_runtime import OnnxSession, Runtime
from imageflow_clients.inference.sample import Sample
from imageflow_clients.inference.stored_models import ModelStore
from imageflow_clients.objects import ObjectStore
from imageflow_domain.inference import (
    InferenceSession,
    ModelDescription,
    ModelId,
    ModelRegistry,
    ModelTask,
    Tensor,
    TensorType,
)

SIDE_PX = 320
_CLASSES = 1000
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, channels, repeats, stride: table 2 of the paper."""


class Registry(ModelRegistry):
    """A registry of one model."""

    def __init__(self, session: InferenceSession) -> None:
        self._session = session

    @override
    def describe(self, model: ModelId) -> ModelDescription:
        return self.open(model).model

    @override
    def open(self, model: ModelId) -> InferenceSession:
        return self._session


class _Builder:
    """Appends layers to a graph."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.count = 0
        self._random = np.random.default_rng(0)

    def conv(self, x: str, inputs: int, outputs: int, *, side: int, stride: int, groups: int = 1, clip: bool) -> str:
        """Add a convolution, batch normalisation folded in, and perhaps a ReLU6."""
        fan = inputs // groups * side * side
        weight = self._weight(self._random.normal(0, (2 / fan) ** 0.5, (outputs, inputs // groups, side, side)))
        bias = self._weight(np.zeros(outputs))
        out = self._node(
            "Conv",
            [x, weight, bias],
            kernel_shape=[side, side],
            strides=[stride, stride],
            pads=[side // 2] * 4,
            group=groups,
        )
        if not clip:
            return out
        return self._node("Clip", [out, self._weight(np.array(0.0)), self._weight(np.array(6.0))])

    def block(self, x: str, inputs: int, outputs: int, *, expansion: int, stride: int) -> str:
        """Add an inverted residual block."""
        hidden = inputs * expansion
        out = x if expansion == 1 else self.conv(x, inputs, hidden, side=1, stride=1, clip=True)
        out = self.conv(out, hidden, hidden, side=3, stride=stride, groups=hidden, clip=True)
        out = self.conv(out, hidden, outputs, side=1, stride=1, clip=False)
        return self._node("Add", [x, out]) if stride == 1 and inputs == outputs else out

    def head(self, x: str, inputs: int) -> None:
        """Add pooling and the scores."""
        pooled = self._node("Flatten", [self._node("GlobalAveragePool", [x])])
        weight = self._weight(self._random.normal(0, 0.01, (inputs, _CLASSES)))
        logits = self._node("Gemm", [pooled, weight, self._weight(np.zeros(_CLASSES))])
        self.nodes.append(helper.make_node("Softmax", [logits], ["scores"]))

    def _weight(self, values: NDArray[np.float64]) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values.astype(np.float32), name))
        self.count += values.size
        return name

    def _node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name


@cache
def _built() -> tuple[bytes, int]:
    builder = _Builder()
    x = builder.conv("image", 3, 32, side=3, stride=2, clip=True)
    channels = 32
    for expansion, outputs, repeats, stride in _STAGES:
        for number in range(repeats):
            x = builder.block(x, channels, outputs, expansion=expansion, stride=stride if number == 0 else 1)
            channels = outputs
    builder.head(builder.conv(x, channels, 1280, side=1, stride=1, clip=True), 1280)
    graph = helper.make_graph(
        builder.nodes,
        "mobile",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, SIDE_PX, SIDE_PX])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", _CLASSES])],
        builder.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString(), builder.count


def parameter_count() -> int:
    """Return how many numbers the net learns, about 3.5 million: weights and biases."""
    return _built()[1]


def register(objects: ObjectStore) -> ModelId:
    """Register the net in an object store, as the command line would."""
    described = _description()
    wanted = Wanted(name=described.id.name, version=1, task=described.task, labels=described.labels)
    card = Card.of(wanted, replace(described, digest=hashlib.sha256(_built()[0]).hexdigest()))
    picture = {"image": np.zeros((1, 3, SIDE_PX, SIDE_PX), np.float32)}
    (scores,) = bare_session().run(None, picture)
    ModelStore(objects).add(card, _built()[0], Sample.of(picture, {"scores": scores}))
    return described.id


def bare_session() -> ort.InferenceSession:
    """Return the net as the library itself gives it, with the same settings."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(_built()[0], options, providers=["CPUExecutionProvider"])


def session(*, threads: int) -> OnnxSession:
    """Return the net on this machine's processor; 0 threads for as many as there are cores."""
    return OnnxSession(_description(), _built()[0], Runtime(threads=threads))


def _description() -> ModelDescription:
    return ModelDescription(
        id=ModelId(name="mobile", version=1),
        digest="0" * 64,
        task=ModelTask.CLASSIFY,
        inputs=(Tensor(name="image", dtype=TensorType.FLOAT32, shape=(None, 3, SIDE_PX, SIDE_PX)),),
        outputs=(Tensor(name="scores", dtype=TensorType.FLOAT32, shape=(None, _CLASSES)),),
        labels=tuple(f"c{i}" for i in range(_CLASSES)),
    )
