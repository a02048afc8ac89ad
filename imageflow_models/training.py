"""Training with JAX, on the processor: `pip install 'imageflow[train]'`. Nothing else of ImageFlow needs JAX.

Adam (Kingma and Ba 2015) on a one-cycle rate; focal loss for the scores (Lin et al. 2017), intersection over union for
the boxes (Yu et al. 2016), weighted cross entropy for the heat.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from imageflow_models.network import (
    CELL_PX,
    CELLS,
    HEAT,
    IMAGE,
    LAYERS,
    MEAN,
    SCORES,
    SIDES,
    STD,
    Convolution,
    Joined,
    Mean,
    input_channels,
)
from imageflow_models.products import SIZE_PX, Split, draw
from imageflow_models.targets import IGNORED, target_of

Weights = dict[str, NDArray[np.float32]]
"""By layer: `{name}.weight` (height x width x in x out) and `{name}.bias`."""

_BATCH = 16
_RATE = 2e-3
_WARM_UP = 0.1
_RARE = math.log(0.01 / 0.99)
"""Where the scores' biases start: defects are rare."""


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """How much to train. The defaults take about a quarter of an hour of one core."""

    pictures: int = 10_000
    passes: int = 6
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class _Examples:
    pixels: NDArray[np.uint8]
    scores: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    heat: NDArray[np.uint8]


def train(plan: TrainingPlan, on_progress: Callable[[str], None]) -> Weights:
    """Return the weights of a net that was trained on drawn products.

    Args:
        plan: How long. The same plan gives the same weights on the same kind of machine.
        on_progress: Called from time to time with the progress, in words.
    """
    examples = _draw(plan.pictures, on_progress)
    random = np.random.default_rng(plan.seed)
    weights = {name: jnp.asarray(value) for name, value in first_weights(random).items()}
    moments = (jax.tree.map(jnp.zeros_like, weights), jax.tree.map(jnp.zeros_like, weights))
    steps = plan.passes * (plan.pictures // _BATCH)
    shown = 0.0
    for step, batch in enumerate(_batches(examples, plan.passes, random)):
        loss, weights, moments = _improve(weights, moments, batch, step, _rate(step / steps))
        shown = float(loss) if step == 0 else 0.98 * shown + 0.02 * float(loss)
        if (step + 1) % 100 == 0 or step + 1 == steps:
            on_progress(f"step {step + 1} of {steps}, loss {shown:.4f}")
    return {name: np.asarray(value) for name, value in weights.items()}


def answer(weights: Mapping[str, NDArray[np.float32]], pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Return what the trained net itself says: the original that an export is compared with.

    Args:
        weights: Of the net.
        pictures: N x height x width x 3, RGB.

    Returns:
        `scores`, `boxes` and `heat`, as the tasks of `imageflow_domain.inference` have them.
    """
    layers = _jitted_forward({name: jnp.asarray(value) for name, value in weights.items()}, jnp.asarray(pictures))
    count = len(pictures)
    scores = jax.nn.sigmoid(layers[SCORES]).reshape(count, CELLS * CELLS, -1)
    boxes = _boxes(layers[SIDES]).reshape(count, CELLS * CELLS, 4)
    heat = jax.nn.sigmoid(layers[HEAT]).max(axis=-1)[:, None]
    return {"scores": np.asarray(scores), "boxes": np.asarray(boxes), "heat": np.asarray(heat)}


def _draw(count: int, on_progress: Callable[[str], None]) -> _Examples:
    cv2.setNumThreads(1)
    pixels = np.empty((count, SIZE_PX, SIZE_PX, 3), np.uint8)
    targets = []
    for seed in range(count):
        drawn = draw(Split.TRAINING, seed)
        pixels[seed] = drawn.pixels
        targets.append(target_of(drawn))
        if (seed + 1) % 1000 == 0:
            on_progress(f"drew {seed + 1} of {count} pictures")
    return _Examples(
        pixels=pixels,
        scores=np.stack([target.scores for target in targets]),
        boxes=np.stack([target.boxes for target in targets]),
        heat=np.stack([target.heat for target in targets]),
    )


def _batches(examples: _Examples, passes: int, random: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    count = len(examples.pixels)
    for _ in range(passes):
        order = random.permutation(count)
        for start in range(0, count - _BATCH + 1, _BATCH):
            rows = order[start : start + _BATCH]
            batch = (examples.pixels[rows], examples.scores[rows], examples.boxes[rows], examples.heat[rows])
            if random.random() < 0.5:
                batch = _mirrored(batch, axis=2, ends=(2, 1, 0, 3))
            if random.random() < 0.5:
                batch = _mirrored(batch, axis=1, ends=(0, 3, 2, 1))
            yield batch


def _mirrored(batch: tuple[Any, ...], *, axis: int, ends: tuple[int, ...]) -> tuple[Any, ...]:
    pixels, scores, boxes, heat = (np.flip(part, axis) for part in batch)
    boxes = boxes[..., list(ends)].copy()
    column = 2 - axis
    boxes[..., [column, column + 2]] = SIZE_PX - boxes[..., [column, column + 2]]
    return pixels, scores, boxes, heat


def first_weights(random: np.random.Generator) -> Weights:
    """Return where training starts: He et al. 2015; layers that add to another one start small."""
    weights: Weights = {}
    into = input_channels()
    for layer in LAYERS:
        if isinstance(layer, Convolution):
            shape = (layer.kernel, layer.kernel, into[layer.name], layer.channels)
            spread = math.sqrt((2 if layer.rectified else 0.1) / (layer.kernel**2 * into[layer.name]))
            spread *= 0.3 if layer.plus else 1
            weights[f"{layer.name}.weight"] = random.normal(0, spread, shape).astype(np.float32)
            start = _RARE if layer.name in (SCORES, HEAT) else 0.0
            weights[f"{layer.name}.bias"] = np.full(layer.channels, start, np.float32)
    return weights


def _forward(weights: dict[str, Any], pixels: Any) -> dict[str, Any]:
    """Return every layer's values, N x height x width x channels."""
    values = {IMAGE: (pixels.astype(jnp.float32) / 255 - jnp.array(MEAN)) / jnp.array(STD)}
    for layer in LAYERS:
        match layer:
            case Convolution():
                values[layer.name] = _convolve(layer, weights, values)
            case Mean():
                values[layer.name] = values[layer.of].mean(axis=(1, 2), keepdims=True)
            case Joined():
                coarse = values[layer.coarse].repeat(2, axis=1).repeat(2, axis=2)
                values[layer.name] = jnp.concatenate([coarse, values[layer.fine]], axis=-1)
    return values


_jitted_forward = jax.jit(_forward)


def _convolve(layer: Convolution, weights: dict[str, Any], values: dict[str, Any]) -> Any:
    result = lax.conv_general_dilated(
        values[layer.of],
        weights[f"{layer.name}.weight"],
        window_strides=(layer.stride, layer.stride),
        padding=[(layer.padding, layer.padding)] * 2,
        rhs_dilation=(layer.dilation, layer.dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    result = result + weights[f"{layer.name}.bias"]
    if layer.plus:
        result = result + values[layer.plus]
    return jax.nn.relu(result) if layer.rectified else result


def _boxes(sides: Any) -> Any:
    """Return N x cells x cells x 4: left, top, right, bottom in pixels."""
    middle = (jnp.arange(CELLS) + 0.5) * CELL_PX
    x, y = jnp.meshgrid(middle, middle)
    return jnp.stack([x, y, x, y], axis=-1) + jax.nn.softplus(sides) * CELL_PX * jnp.array([-1, -1, 1, 1])


def _loss(weights: dict[str, Any], batch: tuple[Any, ...]) -> Any:
    pixels, scores, boxes, heat = batch
    layers = _forward(weights, pixels)
    wanted = (scores == 1).astype(jnp.float32)
    counted = scores != IGNORED
    entropy = _cross_entropy(layers[SCORES], wanted)
    missed = jnp.abs(wanted - jax.nn.sigmoid(layers[SCORES]))
    cells = jnp.maximum(wanted.sum(), 1)
    score_loss = (counted * missed**2 * entropy * jnp.where(wanted == 1, 2.0, 1.0)).sum() / cells
    inside = wanted.max(axis=-1)
    box_loss = (inside * (1 - _overlap(_boxes(layers[SIDES]), boxes))).sum() / jnp.maximum(inside.sum(), 1)
    marked = heat.astype(jnp.float32)
    heat_loss = (_cross_entropy(layers[HEAT], marked) * jnp.where(marked == 1, 4.0, 1.0)).mean()
    return score_loss + 0.5 * box_loss + 4 * heat_loss


def _cross_entropy(logits: Any, wanted: Any) -> Any:
    return jax.nn.softplus(logits) - logits * wanted


def _overlap(found: Any, truth: Any) -> Any:
    """Return the intersection over union of boxes."""
    near = jnp.maximum(found[..., :2], truth[..., :2])
    far = jnp.minimum(found[..., 2:], truth[..., 2:])
    shared = jnp.prod(jnp.maximum(far - near, 0), axis=-1)
    areas = [jnp.prod(jnp.maximum(box[..., 2:] - box[..., :2], 0), axis=-1) for box in (found, truth)]
    return shared / jnp.maximum(areas[0] + areas[1] - shared, 1e-6)


def _rate(share: float) -> float:
    """Return the learning rate after a share of all steps: up in a line, down in half a cosine."""
    if share < _WARM_UP:
        return _RATE * (0.05 + 0.95 * share / _WARM_UP)
    return _RATE * (0.002 + 0.998 * 0.5 * (1 + math.cos(math.pi * (share - _WARM_UP) / (1 - _WARM_UP))))


@jax.jit
def _improve(weights: Any, moments: Any, batch: Any, step: Any, rate: Any) -> Any:
    loss, slope = jax.value_and_grad(_loss)(weights, batch)
    size = jnp.sqrt(sum(jnp.sum(value**2) for value in slope.values()))
    slope = jax.tree.map(lambda value: value * jnp.minimum(1, 5 / (size + 1e-6)), slope)
    mean = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, moments[0], slope)
    square = jax.tree.map(lambda old, new: 0.999 * old + 0.001 * new**2, moments[1], slope)
    taken = jnp.asarray(step, jnp.float32) + 1

    def moved(value: Any, first: Any, second: Any) -> Any:
        return value - rate * (first / (1 - 0.9**taken)) / (jnp.sqrt(second / (1 - 0.999**taken)) + 1e-8)

    return loss, jax.tree.map(moved, weights, mean, square), (mean, square)
