"""Pictures as tensors: how components ask a model. What they make of its answer is theirs."""

from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from imageflow_domain.errors import InvalidInput
from imageflow_domain.inference import InferenceSession, ModelDescription, ModelId, ModelTask, check_task
from imageflow_pipelines.component import Context
from imageflow_pipelines.values import Image, Pixels

Floats = NDArray[np.float32]

ModelName = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,64}@[1-9][0-9]{0,8}$", description="As name@version.")]
"""The parameter that names a registered model."""


def identity(model: str, context: Context) -> str:
    """Return what a model's answers depend on: its file, and who computes."""
    session = context.models.open(ModelId.parse(model))
    return f"{session.model.digest} {session.provider}"


def open_model(model: str, task: ModelTask, context: Context) -> InferenceSession:
    """Return the session of `name@version`; raise `InvalidInput` if the model is for another task."""
    session = context.models.open(ModelId.parse(model))
    check_task(session.model, task)
    return session


def ask(session: InferenceSession, image: Image, context: Context, *outputs: str) -> list[Floats]:
    """Return the named outputs for one picture, which is stretched to the model's input; the first axis is dropped.

    Raises `InvalidInput` where the model gives no such output, or other than finite numbers.
    """
    model = session.model
    answer = session.run({model.inputs[0].name: to_tensor(image.pixels, model)}, context.cancellation)
    found = []
    for name in outputs:
        if name not in answer:
            raise InvalidInput(f"Model {model.id} gives no '{name}', but {', '.join(answer)}: it cannot be used here.")
        values = np.asarray(answer[name], np.float32)[0]
        if not np.isfinite(values).all():
            raise InvalidInput(f"Model {model.id} answered with numbers that are none in '{name}': train it anew.")
        found.append(values)
    return found


def input_size(model: ModelDescription, pixels: Pixels) -> tuple[int, int]:
    """Return width and height of a model's input; a side that it leaves open is the picture's."""
    shape = model.inputs[0].shape
    if len(model.inputs) != 1 or len(shape) != 4 or shape[1] not in (3, None):
        raise InvalidInput(f"Model {model.id} does not take one tensor of N x 3 x height x width.")
    return shape[3] or pixels.shape[1], shape[2] or pixels.shape[0]


def to_tensor(pixels: Pixels, model: ModelDescription) -> NDArray[Any]:
    """Return RGB or grey pixels as 1 x 3 x height x width, float32, as the model's description wants them."""
    width, height = input_size(model, pixels)
    shrinks = width <= pixels.shape[1] and height <= pixels.shape[0]
    if (height, width) != pixels.shape[:2]:
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR_EXACT
        pixels = cv2.resize(pixels, (width, height), interpolation=method).astype(np.uint8, copy=False)
    if pixels.ndim == 2:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False)
    # 256 levels a channel, each computed once: exact, and a tenth of the time of arithmetic on every pixel.
    levels = np.arange(256, dtype=np.float32) / np.float32(255)
    mean, std = np.array(model.mean, np.float32), np.array(model.std, np.float32)
    tensor = np.empty((1, 3, height, width), np.float32)
    for channel, plane in enumerate(cv2.split(pixels)):
        cv2.LUT(plane, (levels - mean[channel]) / std[channel], dst=tensor[0, channel])
    return tensor
