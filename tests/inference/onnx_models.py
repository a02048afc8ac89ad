"""Small ONNX models whose answers are known beforehand, and harmful ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from imageflow_clients.inference.card import Card, Wanted
from imageflow_clients.inference.onnx_file import examine
from imageflow_clients.inference.sample import Sample
from imageflow_domain.inference import ModelTask

SIDE = 16


def graph(
    nodes: Sequence[onnx.NodeProto],
    constants: Sequence[onnx.TensorProto] = (),
    *,
    output: str = "heat",
    shape: Sequence[Any] = ("N", 1, SIDE, SIDE),
    imports: Sequence[tuple[str, int]] = (("", 18),),
) -> bytes:
    model = helper.make_model(
        helper.make_graph(
            list(nodes),
            "test",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, list(shape))],
            list(constants),
        ),
        opset_imports=[helper.make_opsetid(*each) for each in imports],
        ir_version=9,
    )
    return model.SerializeToString()


def mean_heat(scale: float = 1.0) -> bytes:
    """Heats each place by the mean of its colours, times `scale`."""
    return graph(
        [
            helper.make_node("ReduceMean", ["image", "axes"], ["mean"], keepdims=1),
            helper.make_node("Mul", ["mean", "scale"], ["heat"]),
        ],
        [
            numpy_helper.from_array(np.array([1], np.int64), "axes"),
            numpy_helper.from_array(np.array(scale, np.float32), "scale"),
        ],
    )


def endless(rounds: int = 2**40) -> bytes:
    """Computes for hours, then heats by zero."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["still"]),
            helper.make_node("Sin", ["value"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    return graph(
        [
            helper.make_node("ReduceMean", ["image", "axes"], ["mean"], keepdims=1),
            # A black picture is answered at once: that is what a session is warmed with.
            helper.make_node("ReduceMax", ["mean"], ["most"], keepdims=0),
            helper.make_node("Greater", ["most", "zero"], ["goes"]),
            helper.make_node("Loop", ["rounds", "goes", "mean"], ["heat"], body=body),
        ],
        [
            numpy_helper.from_array(np.array([1], np.int64), "axes"),
            numpy_helper.from_array(np.array(0, np.float32), "zero"),
            numpy_helper.from_array(np.array(rounds, np.int64), "rounds"),
        ],
    )


def card(data: bytes, *, name: str = "heat", version: int = 1) -> Card:
    """The card of a heat model, without asking the gate."""
    from hashlib import sha256

    from imageflow_domain.inference import ModelDescription

    wanted = Wanted(name=name, version=version, task=ModelTask.ANOMALY)
    interface = examine(data)
    described = ModelDescription(
        id=wanted.id,
        digest=sha256(data).hexdigest(),
        task=wanted.task,
        inputs=interface.inputs,
        outputs=interface.outputs,
        labels=(),
    )
    return Card.of(wanted, described)


def sample(data: bytes) -> Sample:
    """A black picture, which `endless` answers too, and for the others two bright ones; with the file's own answers."""
    black = np.zeros((1, 3, SIDE, SIDE), np.float32)
    given = black if data == endless() else np.concatenate([black, pictures(2)])
    session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    answers = session.run(None, {"image": given})
    names = [output.name for output in session.get_outputs()]
    return Sample.of({"image": given}, dict(zip(names, answers, strict=True)))


def pictures(count: int = 2) -> "np.typing.NDArray[np.float32]":
    return np.random.default_rng(count).random((count, 3, SIDE, SIDE), np.float32)
