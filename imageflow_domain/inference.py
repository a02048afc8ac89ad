"""The port of inference: models by name and version, sessions over named tensors.

Clients know the runtimes (ONNX Runtime, Triton) and the files; pipelines know which picture becomes which tensor.
The tasks below are where they meet.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import InvalidInput
from imageflow_domain.ids import check_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MODEL = re.compile(r"([^@]+)@([1-9][0-9]{0,8})")


@dataclass(frozen=True, kw_only=True, order=True)
class ModelId:
    """A registered model, spelled `name@version`."""

    name: str
    version: int

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"

    @classmethod
    def parse(cls, text: str) -> "ModelId":
        """Read `name@version`; raise `InvalidInput` for anything else."""
        match = _MODEL.fullmatch(text)
        if match is None:
            raise InvalidInput(f"'{text}' names no model: it looks like 'scratches@3'.")
        return cls(name=check_name(match[1]), version=int(match[2]))


class ModelTask(StrEnum):
    """What a model is for, and so which tensors it has.

    A model that is a network takes one input, N x 3 x height x width, float32: RGB from 0 to 1, after subtracting
    `mean` and dividing by `std`. Outputs are float32, found by the names below.
    """

    CLASSIFY = "classify"
    """`scores`, N x labels: one score a label, 0 to 1."""
    DETECT = "detect"
    """`boxes`, N x K x 4: left, top, right, bottom in pixels of the input; `scores`, N x K x labels, 0 to 1. Boxes may
    overlap: non-maximum suppression is the pipeline's business."""
    ANOMALY = "anomaly"
    """`heat`, N x 1 x h x w, 0 to 1: how unlike a good product each place is. h and w divide those of the input."""
    ALIGN = "align"
    """No network: an image of the part, by which it is found. Such a model has no tensors and no session."""


class TensorType(StrEnum):
    """Spelled as numpy spells its dtypes."""

    FLOAT16 = "float16"
    FLOAT32 = "float32"
    UINT8 = "uint8"
    INT32 = "int32"
    INT64 = "int64"


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A named input or output."""

    name: str
    dtype: TensorType
    shape: tuple[int | None, ...]
    """`None` for an axis of any length. The first axis counts pictures."""


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """A registered model without its weights."""

    id: ModelId
    digest: str
    """SHA-256 of the model's file, in hex."""
    task: ModelTask
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    labels: tuple[str, ...]
    """What the classes are called, in the order of the scores; empty for `ANOMALY` and `ALIGN`."""
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class ReferenceImage:
    """A registered model for `ALIGN`; equal ones have equal files."""

    model: ModelDescription
    data: bytes = field(repr=False, compare=False)
    """An encoded image."""


class InferenceSession(Protocol):
    """A model that is loaded, warmed and shared: any number of threads may call `run` at once."""

    @property
    def model(self) -> ModelDescription:
        """What was loaded; `run` refuses inputs that do not fit its tensors."""
        ...

    @property
    def provider(self) -> str:
        """Of the runtime, e.g. 'cpu', 'cuda', 'triton'. The same provider gives the same bytes on the same machine."""
        ...

    @property
    def max_batch(self) -> int:
        """The most pictures in one call, at least 1."""
        ...

    def run(self, inputs: "Mapping[str, NDArray[Any]]", cancellation: Cancellation) -> "Mapping[str, NDArray[Any]]":
        """Return every output of the model by name.

        Args:
            inputs: By name, C-contiguous, of the described type and shape.
            cancellation: Ends the run within a second, wherever it is.

        Raises:
            InvalidInput: For inputs that the description does not allow.
            Cancelled: When `cancellation` was thrown before the result was there.
            StepDied: When there is no memory for these inputs.
            Unavailable: The inference server is down or too slow to answer; it may work later.
        """
        ...


class ModelRegistry(Protocol):
    """The registered models."""

    def describe(self, model: ModelId) -> ModelDescription:
        """Return what a model is, without loading it; raise `NotFound`, with those that are registered."""
        ...

    def open(self, model: ModelId) -> InferenceSession:
        """Return the session of a model, loading it if it is the first to ask.

        Raises:
            NotFound: For a model that is not registered; the message lists those that are.
            InvalidInput: For a registered file whose digest is another, or that cannot be run.
        """
        ...

    def reference(self, model: ModelId) -> ReferenceImage:
        """Return the image of a model for `ALIGN`.

        Raises:
            NotFound: For a model that is not registered; the message lists those that are.
            InvalidInput: For a model for another task, or a registered file whose digest is another.
        """
        ...


def check_task(model: ModelDescription, task: ModelTask) -> None:
    """Raise `InvalidInput` for a model that is for another task."""
    if model.task is not task:
        raise InvalidInput(f"Model {model.id} is for '{model.task}', not for '{task}': name another.")
