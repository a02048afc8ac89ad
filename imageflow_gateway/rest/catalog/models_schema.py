"""Models in the API."""

from typing import Self

from pydantic import BaseModel

from imageflow_clients.inference.card import Card
from imageflow_domain.inference import ModelTask, TensorType


class TensorFacts(BaseModel):
    """An input or an output."""

    name: str
    dtype: TensorType
    shape: list[int | None]
    """Null for an axis of any length; the first one counts pictures."""


class ModelFacts(BaseModel):
    """A registered model, which never changes."""

    name: str
    version: int
    reference: str
    """As pipelines name it: `name@version`."""
    digest: str
    """SHA-256 of its file."""
    task: ModelTask
    labels: list[str]
    """In the order of its scores."""
    mean: list[float]
    std: list[float]
    tolerance: float
    """By how much its answers may differ from the original's."""
    inputs: list[TensorFacts]
    outputs: list[TensorFacts]

    @classmethod
    def of(cls, card: Card) -> Self:
        """Take everything from the card: the model's file is not read."""
        return cls.model_validate({**card.model_dump(), "reference": str(card.id)})


class ModelList(BaseModel):
    """Models by name and version."""

    models: list[ModelFacts]
    next: str | None
    """Give it as `after` for those that come next; null where these were the last."""
