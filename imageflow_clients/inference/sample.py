"""A few tensors of a golden set and the registered file's answers: they check every other runtime of the model."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imageflow_domain.errors import InvalidInput

MOST_PICTURES = 4
"""Enough to distinguish models, and quick to compute."""

_Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """By name; the first axis counts pictures, as many in each."""

    inputs: _Tensors
    answers: _Tensors

    @classmethod
    def of(cls, inputs: _Tensors, answers: _Tensors) -> "Sample":
        """Return the first pictures of a golden set."""
        return cls(
            inputs={name: values[:MOST_PICTURES] for name, values in inputs.items()},
            answers={name: values[:MOST_PICTURES] for name, values in answers.items()},
        )

    @classmethod
    def decode(cls, data: bytes) -> "Sample":
        """Return what `encode` wrote."""
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            names = [*map(str, file["inputs"]), *map(str, file["answers"])]
            tensors = [file[f"arr_{place}"] for place in range(len(names))]
            count = len(file["inputs"])
        return cls(
            inputs=dict(zip(names[:count], tensors[:count], strict=True)),
            answers=dict(zip(names[count:], tensors[count:], strict=True)),
        )

    def encode(self) -> bytes:
        """Return it as bytes of numpy's format, independent of the tensors' names."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            *self.inputs.values(),
            *self.answers.values(),
            inputs=np.array(list(self.inputs)),
            answers=np.array(list(self.answers)),
        )
        return buffer.getvalue()

    def pictures(self) -> Iterator["Sample"]:
        """Yield each picture by itself."""
        for place in range(len(next(iter(self.inputs.values())))):
            yield Sample(
                inputs={name: values[place : place + 1] for name, values in self.inputs.items()},
                answers={name: values[place : place + 1] for name, values in self.answers.items()},
            )

    def check(self, answered: _Tensors, tolerance: float, *, who: str) -> None:
        """Compare a runtime's answers to the inputs with the registered ones.

        Args:
            answered: By name.
            tolerance: By how much scores and heat may differ; boxes by that share of the input's longer side.
            who: Answered, as the message names it.

        Raises `InvalidInput` for another shape, or one that differs by more.
        """
        side_px = max(length for values in self.inputs.values() for length in values.shape[2:])
        for name, expected in self.answers.items():
            given = answered[name]
            if given.shape != expected.shape:
                raise InvalidInput(f"{who} gives '{name}' of shape {given.shape} instead of {expected.shape}{_NEXT}")
            allowed = tolerance * side_px if name == "boxes" else tolerance
            differs = float(np.abs(given.astype(np.float64) - expected).max(initial=0.0))
            if not differs <= allowed:  # NaN too
                raise InvalidInput(
                    f"{who} answers otherwise than the registered one: '{name}' differs by {differs:.3g} "
                    f"and may by {allowed:.3g}{_NEXT}"
                )


_NEXT = ". Load the registered file there, under the same version, and compute it as exactly."
