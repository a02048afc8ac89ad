"""The pretrained network whose features describe a place of an image: EfficientNet-Lite0, two of its stages.

Tan and Le, "EfficientNet" (ICML 2019), in the variant without squeeze-and-excitation: a feature depends on a bounded
part of the image. NOTICE.md names the weights' origin. The stage at a stride of 16 sees defects, the one at 32 what
belongs together: with the first alone, image AUROC is 0.89 on magnetic tiles and 0.92 on drawn parts, as a wrong label
is a good one elsewhere (0.69); with both, 0.88 and 0.96. Earlier stages (0.81), an input of 512 px instead of 384, and
the features of a network that finds text (0.79) are worse on tiles.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imageflow_clients.inference.onnx_runtime import OnnxSession, Runtime
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.inference import ModelDescription, ModelId, ModelTask, Tensor, TensorType
from imageflow_models.learning.size import Size
from imageflow_models.onnx_graph import Graph, tensor
from imageflow_pipelines.tensors import to_tensor
from imageflow_pipelines.values import Pixels

CHANNELS = 112 + 192
MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3
IMAGE = "image"

Floats = NDArray[np.float32]


class _Block(NamedTuple):
    """An inverted residual: expand (but in the first), depthwise, project."""

    kernel: int
    stride: int
    is_added: bool
    """Whether the input is added to the result."""


_BLOCKS = (
    *(_Block(3, 1, False), _Block(3, 2, False), _Block(3, 1, True), _Block(5, 2, False), _Block(5, 1, True)),
    *(_Block(3, 2, False), _Block(3, 1, True), _Block(3, 1, True)),
    *(_Block(5, 1, False), _Block(5, 1, True), _Block(5, 1, True)),
    *(_Block(5, 2, False), _Block(5, 1, True), _Block(5, 1, True), _Block(5, 1, True)),
)
_FINE, _COARSE = 10, 14
"""The blocks whose results are features, at strides of 16 and 32."""
_FINE_SPREAD, _COARSE_SPREAD = 3.5, 5.0
"""Standard deviations over photographs: both count alike."""


def add_trunk(graph: Graph) -> str:
    """Add the network behind the input `image`; return the name of its features, N x 304 x height / 16 x width / 16.

    Each place's features are the mean of its 3 x 3 neighbourhood.
    """
    limits = [graph.constant(name, np.array(value, np.float32)) for name, value in (("zero", 0), ("six", 6))]
    weights = _weights()

    def convolve(of: str, name: str, kernel: int, stride: int, *, by_channel: bool, rectified: bool) -> str:
        weight = weights[f"{name}.weight"]
        # As TensorFlow pads: what is odd comes last.
        before = (kernel - stride) // 2
        after = kernel - stride - before
        pads = [before, before, after, after] if kernel > 1 else [0] * 4
        result = graph.add(
            "Conv",
            [of, graph.constant(f"{name}.weight", weight), graph.constant(f"{name}.bias", weights[f"{name}.bias"])],
            name,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=pads,
            group=len(weight) if by_channel else 1,
        )
        return graph.add("Clip", [result, *limits], f"{name}.rectified") if rectified else result

    results = []
    last = convolve(IMAGE, "stem", 3, 2, by_channel=False, rectified=True)
    for i, block in enumerate(_BLOCKS):
        start = last
        if f"block{i}.expand.weight" in weights:
            last = convolve(last, f"block{i}.expand", 1, 1, by_channel=False, rectified=True)
        last = convolve(last, f"block{i}.depthwise", block.kernel, block.stride, by_channel=True, rectified=True)
        last = convolve(last, f"block{i}.project", 1, 1, by_channel=False, rectified=False)
        if block.is_added:
            last = graph.add("Add", [start, last], f"block{i}")
        results.append(last)
    doubled = graph.add(
        "Resize",
        [results[_COARSE], "", graph.constant("double", np.array([1, 1, 2, 2], np.float32))],
        "coarse.doubled",
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    parts = [
        graph.add("Div", [of, graph.constant(f"{name}.spread", np.array(spread, np.float32))], name)
        for name, of, spread in (("fine", results[_FINE], _FINE_SPREAD), ("coarse", doubled, _COARSE_SPREAD))
    ]
    joined = graph.add("Concat", parts, "joined", axis=1)
    return graph.add("AveragePool", [joined], "features", kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=0)


class Trunk:
    """The network, loaded: images in, features out."""

    def __init__(self, size: Size) -> None:
        graph = Graph()
        name = add_trunk(graph)
        shape = (None, 3, size.height_px, size.width_px)
        rows, columns = size.places
        data = graph.serialise("trunk", tensor(IMAGE, shape[1:]), [tensor(name, [CHANNELS, rows, columns])])
        self._name = name
        self._model = describe(
            size, digest=hashlib.sha256(data).hexdigest(), output=name, axes=(CHANNELS, rows, columns)
        )
        self._session = OnnxSession(self._model, data, Runtime())

    @property
    def digest(self) -> str:
        """What equal images give equal features by: the network, and the size to which images are stretched."""
        return self._model.digest

    def features(self, pixels: Pixels) -> Floats:
        """Return rows x columns x 304 for an image, which is stretched to the network's input as pipelines do it."""
        answer = self._session.run({IMAGE: to_tensor(pixels, self._model)}, Cancellation())[self._name]
        return np.ascontiguousarray(np.asarray(answer, np.float32)[0].transpose(1, 2, 0))


def describe(size: Size, *, digest: str, output: str, axes: tuple[int, ...]) -> ModelDescription:
    """Describe a network that takes images of a size and gives one output."""
    return ModelDescription(
        id=ModelId(name="learning", version=1),
        digest=digest,
        task=ModelTask.ANOMALY,
        inputs=(Tensor(name=IMAGE, dtype=TensorType.FLOAT32, shape=(None, 3, size.height_px, size.width_px)),),
        outputs=(Tensor(name=output, dtype=TensorType.FLOAT32, shape=(None, *axes)),),
        labels=(),
        mean=MEAN,
        std=STD,
    )


@cache
def _weights() -> Mapping[str, Floats]:
    with np.load(Path(__file__).with_name("trunk.npz"), allow_pickle=False) as file:
        return {name: file[name].astype(np.float32) for name in file.files}
