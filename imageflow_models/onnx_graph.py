"""An ONNX graph while it grows, operator by operator. What it computes is the caller's business."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_OPSET = 18
_IR_VERSION = 9  # what opset 18 came with, so that older runtimes read it too
_COUNT = "N"


class Graph:
    """Nodes and constants, in the order in which they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node of one output and return the name of that."""
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Add a constant and return its name."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values).reshape(values.shape), name))
        return name

    def serialise(self, name: str, image: onnx.ValueInfoProto, outputs: Sequence[onnx.ValueInfoProto]) -> bytes:
        """Return the checked file of a model that takes `image`."""
        model = helper.make_model(
            helper.make_graph(self.nodes, name, [image], list(outputs), self.constants),
            producer_name="imageflow",
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
        )
        onnx.checker.check_model(model, full_check=True)
        data: bytes = model.SerializeToString(deterministic=True)
        return data


def tensor(name: str, shape: Sequence[int | None]) -> onnx.ValueInfoProto:
    """Describe an input or output of float32; its first axis, which counts images, is not in `shape`."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [_COUNT, *shape])
