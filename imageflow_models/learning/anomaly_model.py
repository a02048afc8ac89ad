"""A learned model: scores of images, computed step by step in numpy, and the same as one ONNX graph."""

from dataclasses import dataclass

import numpy as np

from imageflow_models.learning.bank import Bank
from imageflow_models.learning.normality import SMOOTHING, score_map
from imageflow_models.learning.size import Size
from imageflow_models.learning.trunk import CHANNELS, IMAGE, Floats, add_trunk
from imageflow_models.onnx_graph import Graph, tensor

_STEEPNESS = 4
"""Heat is 0.29 at 0.8 times the threshold and 0.74 at 1.3 times."""
_MOST_TIMES = 100
"""The threshold: what lies above is as sure as can be."""


@dataclass(frozen=True, kw_only=True)
class AnomalyModel:
    """Heat is 0.5 where a place's score is the threshold."""

    size: Size
    bank: Bank
    level: Floats
    """Rows x columns: the usual distance."""
    threshold: float

    def heat(self, features: Floats) -> Floats:
        """Return rows x columns from 0 to 1 for the features of an image."""
        return to_heat(score_map(self.bank.distances(features), self.level), self.threshold)

    def export(self) -> bytes:
        """Return the model's file: an image in, `heat` out."""
        graph = Graph()
        rows, columns = self.size.places
        features = add_trunk(graph)
        centred = graph.add("Sub", [features, graph.constant("mean", self.bank.mean.reshape(1, -1, 1, 1))], "centred")
        scaled = graph.add("Div", [centred, graph.constant("scale", np.array(self.bank.scale, np.float32))], "scaled")
        by_place = graph.add("Transpose", [scaled], "by_place", perm=[0, 2, 3, 1])
        flat = graph.add(
            "Reshape", [by_place, graph.constant("flat_shape", np.array([-1, rows * columns, CHANNELS]))], "flat"
        )
        distances = self._add_distances(graph, flat)
        shape = graph.constant("map_shape", np.array([-1, 1, rows, columns]))
        level = graph.constant("level", self.level.reshape(1, 1, rows, columns))
        ratio = graph.add("Div", [graph.add("Reshape", [distances, shape], "distance_map"), level], "ratio")
        borders = graph.constant("borders", np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
        padded = graph.add("Pad", [ratio, borders], "padded", mode="edge")
        kernel = graph.constant("smoothing", SMOOTHING.reshape(1, 1, 3, 3))
        scores = graph.add("Conv", [padded, kernel], "scores", kernel_shape=[3, 3])
        threshold = graph.constant("threshold", np.array(self.threshold, np.float32))
        most = graph.constant("most", np.array(_MOST_TIMES, np.float32))
        times = graph.add("Min", [graph.add("Div", [scores, threshold], "times_threshold"), most], "times")
        fourth = graph.add("Pow", [times, graph.constant("steepness", np.array(_STEEPNESS, np.float32))], "fourth")
        above = graph.add("Add", [fourth, graph.constant("one", np.array(1, np.float32))], "with_one")
        heat = graph.add("Div", [fourth, above], "heat")
        image = tensor(IMAGE, [3, self.size.height_px, self.size.width_px])
        return graph.serialise("anomaly", image, [tensor(heat, [1, rows, columns])])

    def _add_distances(self, graph: Graph, flat: str) -> str:
        """Add |x|^2 + min(|p|^2 - 2 x p) and its root; one matrix product for all places and points."""
        points = self.bank.points
        products = graph.add("MatMul", [flat, graph.constant("points", -2 * points.T)], "products")
        lengths = graph.constant("lengths", (points**2).sum(axis=1))
        last = graph.constant("last_axis", np.array([-1]))
        nearest = graph.add("ReduceMin", [graph.add("Add", [products, lengths], "sums"), last], "nearest")
        own = graph.add("ReduceSumSquare", [flat, last], "own_lengths")
        squares = graph.add("Relu", [graph.add("Add", [nearest, own], "squares_near_zero")], "squares")
        return graph.add("Sqrt", [squares], "distances")


def to_heat(scores: Floats, threshold: float) -> Floats:
    """Return scores from 0 on as heat: 0.5 at the threshold, towards 1 above it."""
    times = np.minimum(scores / np.float32(threshold), np.float32(_MOST_TIMES)) ** _STEEPNESS
    return np.asarray(times / (times + 1), np.float32)
