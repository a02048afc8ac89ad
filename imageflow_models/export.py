"""A trained net as ONNX graphs: one that detects, and one that heats, with the same weights.

The graphs are written operator by operator from `network.LAYERS`; that they answer as the net does is for the gate.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from imageflow_domain.inference import ModelTask
from imageflow_models.network import (
    CELL_PX,
    CELLS,
    HEAT,
    IMAGE,
    KINDS,
    LAYERS,
    PLACES,
    SCORES,
    SIDES,
    Convolution,
    Joined,
    Layer,
    Mean,
)
from imageflow_models.onnx_graph import Graph, tensor
from imageflow_models.products import SIZE_PX


def export(weights: Mapping[str, NDArray[np.float32]], task: ModelTask) -> bytes:
    """Return the file of a model that detects or heats.

    Args:
        weights: By layer, as `training` gives them.
        task: `DETECT` or `ANOMALY`.
    """
    graph = _Graph(weights)
    wanted = (SCORES, SIDES) if task is ModelTask.DETECT else (HEAT,)
    for layer in _needed(wanted):
        graph.add_layer(layer)
    outputs = graph.finish_boxes() if task is ModelTask.DETECT else graph.finish_heat()
    return graph.serialise(f"drawn_products_{task}", tensor(IMAGE, [3, SIZE_PX, SIZE_PX]), outputs)


def _needed(wanted: Iterable[str]) -> list[Layer]:
    """Return the layers that some others need, in their order."""
    names = set(wanted)
    kept = []
    for layer in reversed(LAYERS):
        if layer.name in names:
            kept.append(layer)
            match layer:
                case Convolution():
                    names |= {layer.of} | ({layer.plus} if layer.plus else set())
                case Mean():
                    names.add(layer.of)
                case Joined():
                    names |= {layer.coarse, layer.fine}
    return kept[::-1]


class _Graph(Graph):
    """The net's layers as nodes."""

    def __init__(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        super().__init__()
        self._weights = weights

    def add_layer(self, layer: Layer) -> None:
        match layer:
            case Convolution():
                self._convolve(layer)
            case Mean():
                self.add("GlobalAveragePool", [layer.of], layer.name)
            case Joined():
                scales = self.constant(f"{layer.name}.scales", np.array([1, 1, 2, 2], np.float32))
                larger = self.add(
                    "Resize",
                    [layer.coarse, "", scales],
                    f"{layer.name}.larger",
                    mode="nearest",
                    coordinate_transformation_mode="asymmetric",
                    nearest_mode="floor",
                )
                self.add("Concat", [larger, layer.fine], layer.name, axis=1)

    def finish_boxes(self) -> list[onnx.ValueInfoProto]:
        """Turn the outputs of the last layers for each cell into `boxes` and `scores`."""
        rows = self.constant("rows", np.array([0, CELLS * CELLS, -1], np.int64))
        lengths = self.add(
            "Mul", [self.add("Softplus", [SIDES], "sides"), self.constant("cell", _scalar(CELL_PX))], "lengths"
        )
        self.add("Sigmoid", [SCORES], "cell_scores")
        for name, by_cell in (("lengths_by_row", lengths), ("scores", "cell_scores")):
            self.add("Reshape", [self.add("Transpose", [by_cell], f"{by_cell}.last", perm=[0, 2, 3, 1]), rows], name)
        signs = self.constant("signs", np.array([-1, -1, 1, 1], np.float32))
        offsets = self.add("Mul", ["lengths_by_row", signs], "offsets")
        self.add("Add", [offsets, self.constant("middles", _middles())], "boxes")
        return [tensor("boxes", [CELLS * CELLS, 4]), tensor("scores", [CELLS * CELLS, len(KINDS)])]

    def finish_heat(self) -> list[onnx.ValueInfoProto]:
        """Turn the heat of each kind into that of the hottest: `heat`."""
        axes = self.constant("channels", np.array([1], np.int64))
        hottest = self.add("ReduceMax", [HEAT, axes], "hottest", keepdims=1)
        self.add("Sigmoid", [hottest], "heat")
        return [tensor("heat", [1, PLACES, PLACES])]

    def _convolve(self, layer: Convolution) -> None:
        weight = self._weights[f"{layer.name}.weight"].transpose(3, 2, 0, 1)
        result = self.add(
            "Conv",
            [
                layer.of,
                self.constant(f"{layer.name}.weight", weight),
                self.constant(f"{layer.name}.bias", self._weights[f"{layer.name}.bias"]),
            ],
            f"{layer.name}.sum" if layer.plus or layer.rectified else layer.name,
            kernel_shape=[layer.kernel, layer.kernel],
            strides=[layer.stride, layer.stride],
            dilations=[layer.dilation, layer.dilation],
            pads=[layer.padding] * 4,
        )
        if layer.plus:
            result = self.add("Add", [result, layer.plus], f"{layer.name}.more" if layer.rectified else layer.name)
        if layer.rectified:
            self.add("Relu", [result], layer.name)


def _scalar(value: float) -> NDArray[np.float32]:
    return np.array(value, np.float32)


def _middles() -> NDArray[np.float32]:
    """Return the middle of each cell, twice, row by row: what the sides are measured from."""
    middle = (np.arange(CELLS, dtype=np.float32) + np.float32(0.5)) * CELL_PX
    x, y = np.meshgrid(middle, middle)
    return np.stack([x, y, x, y], axis=-1).reshape(CELLS * CELLS, 4)
