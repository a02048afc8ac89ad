"""The gate: a model is taken only if its exported form answers a golden set as the original did."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imageflow_clients.inference.card import Card, Wanted
from imageflow_clients.inference.onnx_file import Interface, examine
from imageflow_clients.inference.sample import Sample
from imageflow_clients.inference.trial import MEMORY_BYTES, SECONDS, try_model
from imageflow_domain.errors import InvalidInput, ModelRefused
from imageflow_domain.inference import ModelDescription, ModelTask, TensorType
from imageflow_models.bundle import Bundle, Golden
from imageflow_models.reference_gate import accept_reference
from imageflow_pipelines.tensors import to_tensor

_OUTPUTS = {
    ModelTask.CLASSIFY: {"scores": 2},
    ModelTask.DETECT: {"boxes": 3, "scores": 3},
    ModelTask.ANOMALY: {"heat": 4},
}
"""By task: the outputs that it has, and how many axes each of them."""


def check_model(bundle: Bundle, *, memory_bytes: int = MEMORY_BYTES, seconds: float = SECONDS) -> Card:
    """Return the card under which a model may be registered; see `accept_model`."""
    return accept_model(bundle, memory_bytes=memory_bytes, seconds=seconds)[0]


def accept_model(
    bundle: Bundle, *, memory_bytes: int = MEMORY_BYTES, seconds: float = SECONDS
) -> tuple[Card, Sample | None]:
    """Return the card under which a model may be registered, and a sample of what it answers, if it is a network.

    Args:
        bundle: The model, and its golden set.
        memory_bytes: All that running it may take.
        seconds: By when it has to have answered the whole golden set.

    Raises:
        ModelRefused: For a file that may not or cannot be run, for tensors that are not those of its task, and for an
            answer that is not finite or differs from the original's by more than the card's tolerance.
    """
    wanted = bundle.wanted
    if wanted.task is ModelTask.ALIGN:
        return accept_reference(wanted, bundle.data), None
    try:
        interface = examine(bundle.data)
        description = _describe(wanted, bundle.data, interface)
        tensors = _golden_tensors(description, bundle.golden)
        answers = try_model(bundle.data, tensors, memory_bytes=memory_bytes, seconds=seconds)
    except InvalidInput as error:
        raise ModelRefused(str(wanted.id), str(error)) from error
    _compare(description, wanted.tolerance, bundle.golden, answers)
    return Card.of(wanted, description), Sample.of(tensors, answers)


def _describe(wanted: Wanted, data: bytes, interface: Interface) -> ModelDescription:
    if len(interface.inputs) != 1 or interface.inputs[0].dtype is not TensorType.FLOAT32:
        raise InvalidInput("It has to take one tensor of float32: N x 3 x height x width.")
    shape = interface.inputs[0].shape
    if len(shape) != 4 or shape[0] not in (None, 1) or shape[1] != 3:
        raise InvalidInput(f"It has to take N x 3 x height x width, not {shape}.")
    axes = _OUTPUTS[wanted.task]
    given = {tensor.name: tensor for tensor in interface.outputs}
    if given.keys() != axes.keys() or any(
        given[name].dtype is not TensorType.FLOAT32 or len(given[name].shape) != count for name, count in axes.items()
    ):
        listed = ", ".join(f"'{name}' of {count} axes" for name, count in axes.items())
        raise InvalidInput(
            f"A model that is to {wanted.task} gives {listed}, in float32; this one {list(given.values())}."
        )
    if bool(wanted.labels) == (wanted.task is ModelTask.ANOMALY):
        raise InvalidInput("Name a label for each of its scores." if not wanted.labels else "Heat has no labels.")
    if "scores" in given and given["scores"].shape[-1] not in (None, len(wanted.labels)):
        raise InvalidInput(f"It gives {given['scores'].shape[-1]} scores for {len(wanted.labels)} labels.")
    return ModelDescription(
        id=wanted.id,
        digest=hashlib.sha256(data).hexdigest(),
        task=wanted.task,
        inputs=interface.inputs,
        outputs=interface.outputs,
        labels=wanted.labels,
        mean=wanted.mean,
        std=wanted.std,
    )


def _golden_tensors(model: ModelDescription, golden: Golden) -> dict[str, NDArray[Any]]:
    _, _, height, width = model.inputs[0].shape
    sizes = {(picture.height_px, picture.width_px) for picture in golden.pictures}
    if len(sizes) > 1 or any(side not in (None, length) for side, length in zip((height, width), *sizes, strict=True)):
        raise InvalidInput(
            f"The golden pictures are {sizes} px high and wide: all have to be of the model's input size."
        )
    return {model.inputs[0].name: np.concatenate([to_tensor(picture.pixels, model) for picture in golden.pictures])}


def _compare(model: ModelDescription, tolerance: float, golden: Golden, answers: Mapping[str, NDArray[Any]]) -> None:
    for name, answered in answers.items():
        if name not in golden.answers:
            raise ModelRefused(str(model.id), f"The golden set has no answers for '{name}': write them anew.")
        original = golden.answers[name]
        if original.shape != answered.shape:
            raise ModelRefused(
                str(model.id),
                f"Its '{name}' for the golden set is of shape {answered.shape}, the original's {original.shape}.",
            )
        allowed = tolerance * _longer_side(golden) if name == "boxes" else tolerance
        for picture, ours, theirs in zip(golden.names, answered, original, strict=True):
            _compare_picture(model, name, picture, ours, theirs, allowed)


def _longer_side(golden: Golden) -> int:
    return max(max(picture.width_px, picture.height_px) for picture in golden.pictures)


def _compare_picture(
    model: ModelDescription, name: str, picture: str, ours: NDArray[Any], theirs: NDArray[Any], allowed: float
) -> None:
    if not np.isfinite(ours).all():
        raise ModelRefused(
            str(model.id), f"For picture '{picture}' its '{name}' holds numbers that are none.", picture=picture
        )
    if name != "boxes" and (ours.min() < 0 or ours.max() > 1):
        raise ModelRefused(
            str(model.id), f"For picture '{picture}' its '{name}' leaves the range from 0 to 1.", picture=picture
        )
    apart = np.abs(ours - theirs)
    worst = np.unravel_index(apart.argmax(), apart.shape)
    differs = float(apart[worst])
    if not differs <= allowed:
        raise ModelRefused(
            str(model.id),
            f"For picture '{picture}' its '{name}' is {ours[worst]:.6g}, the original's {theirs[worst]:.6g}: they "
            f"differ by {differs:.3g}, and may by {allowed:.3g}. Look at how it was exported.",
            picture=picture,
        )
