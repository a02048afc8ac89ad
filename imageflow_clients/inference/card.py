"""A model's card: its description as JSON, beside its file in the object store and in a bundle's folder."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from imageflow_domain.errors import InvalidInput
from imageflow_domain.faults import describe_faults
from imageflow_domain.ids import Name
from imageflow_domain.inference import ModelDescription, ModelId, ModelTask, Tensor, TensorType

_Channels = tuple[float, float, float]
_Finite = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Wanted(BaseModel):
    """A model's description by its author; the rest is read from its file."""

    model_config = _Finite

    name: Name
    version: int = Field(ge=1, lt=10**9)
    task: ModelTask
    labels: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=64)], ...], Field(max_length=1000)] = ()
    mean: _Channels = (0.0, 0.0, 0.0)
    std: Annotated[_Channels, Field(description="None of them 0.")] = (1.0, 1.0, 1.0)
    tolerance: float = Field(default=1e-3, gt=0, le=0.1)
    """By how much an answer may differ from the original's: scores and heat as they are, boxes as a share of the
    input's longer side."""

    @property
    def id(self) -> ModelId:
        """The name and version by which pipelines ask for the model."""
        return ModelId(name=self.name, version=self.version)

    @classmethod
    def parse(cls, text: str | bytes, source: str) -> "Wanted":
        """Read a card; raise `InvalidInput` with every fault."""
        try:
            wanted = cls.model_validate_json(text)
        except ValidationError as error:
            raise InvalidInput(f"'{source}' describes no model: {describe_faults(error)}.") from error
        if 0 in wanted.std:
            raise InvalidInput(f"'{source}': std is what pixels are divided by: none of its numbers may be 0.")
        return wanted


class _TensorCard(BaseModel):
    model_config = _Finite
    name: str
    dtype: TensorType
    shape: tuple[int | None, ...]


class Card(Wanted):
    """A registered model."""

    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    inputs: tuple[_TensorCard, ...]
    outputs: tuple[_TensorCard, ...]

    @classmethod
    def of(cls, wanted: Wanted, description: ModelDescription) -> "Card":
        """Return the card of a model that was accepted."""
        return cls(
            **wanted.model_dump(),
            digest=description.digest,
            inputs=tuple(_card(tensor) for tensor in description.inputs),
            outputs=tuple(_card(tensor) for tensor in description.outputs),
        )

    def describe(self) -> ModelDescription:
        """Return the card without its tolerance, as clients of the inference port see a model."""
        return ModelDescription(
            id=self.id,
            digest=self.digest,
            task=self.task,
            inputs=tuple(_tensor(card) for card in self.inputs),
            outputs=tuple(_tensor(card) for card in self.outputs),
            labels=self.labels,
            mean=self.mean,
            std=self.std,
        )


def _card(tensor: Tensor) -> _TensorCard:
    return _TensorCard(name=tensor.name, dtype=tensor.dtype, shape=tensor.shape)


def _tensor(card: _TensorCard) -> Tensor:
    return Tensor(name=card.name, dtype=card.dtype, shape=card.shape)
