"""Components of pipelines in the API."""

from typing import Any, Self

from pydantic import BaseModel, Field

from imageflow_pipelines.component import Component
from imageflow_pipelines.registry import describe


class InputFacts(BaseModel):
    """A port that takes values."""

    name: str
    kinds: list[str]
    """Those that it takes."""
    required: bool
    many: bool
    """Several edges may end here."""


class OutputFacts(BaseModel):
    """A port that gives a value."""

    name: str
    kind: str
    """`same`: that of what comes in."""
    optional: bool
    """It may give nothing; steps that need it are then skipped."""


class NeedsFacts(BaseModel):
    """What running it takes."""

    cpu_s_per_megapixel: float
    bytes_per_px: float
    gpu: bool


class ComponentFacts(BaseModel):
    """A component in one version, which never changes."""

    name: str
    version: int
    description: str
    changes: str
    """What it gives otherwise than the version before; empty for the first version."""
    inputs: list[InputFacts]
    outputs: list[OutputFacts]
    needs: NeedsFacts
    image: str | None
    """The container image that computes it, by its digest; null for a component of ImageFlow's own."""
    parameters: dict[str, Any]
    """JSON Schema."""

    @classmethod
    def of(cls, component: type[Component]) -> Self:
        """Read description, ports and parameters from the class."""
        return cls.model_validate(describe(component))


class NewComponent(BaseModel):
    """A container component to register."""

    image: str = Field(examples=[f"registry.example.com/focus@sha256:{'0' * 64}"])
    """By its digest, without a tag."""
    manifest: dict[str, Any]
    """As docs/container-components.md writes it, in JSON."""


class ComponentList(BaseModel):
    """Every component in every version, as pipelines name them."""

    components: list[ComponentFacts]
