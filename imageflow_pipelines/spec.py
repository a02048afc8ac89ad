"""A pipeline as data: which steps, with which parameters, fed from where. Whether it can run is `plan`'s business.

References look like `inputs.picture` or `small.image`: what the caller gives, or an output of a step.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from imageflow_domain.errors import Fault, InvalidPipeline
from imageflow_domain.ids import Name

INPUTS = "inputs"
_REFERENCE = re.compile(r"[a-z0-9_]{1,64}\.[a-z0-9_]{1,64}")
_COMPONENT = re.compile(r"[a-z0-9_]{1,64}@[1-9][0-9]{0,8}")


def _reference(value: str) -> str:
    if not _REFERENCE.fullmatch(value):
        raise ValueError(f"'{value[:80]}' refers to nothing: it looks like 'inputs.picture' or 'step.port'")
    return value


def _component(value: str) -> str:
    if not _COMPONENT.fullmatch(value):
        raise ValueError(f"'{value[:80]}' names no component: it looks like 'resize@1'")
    return value


Reference = Annotated[str, AfterValidator(_reference)]
References = Annotated[
    Annotated[Reference, Tag("<one>")] | Annotated[list[Reference], Tag("<many>")],
    Discriminator(lambda value: "<many>" if isinstance(value, list) else "<one>"),
]
"""One edge, or several. By discriminator, so that errors name the intended form."""
ComponentReference = Annotated[str, AfterValidator(_component)]


class Retry(BaseModel):
    """How often a step is tried, and how long is waited before: `delay_s`, then twice that, and so on.

    What the inputs or parameters are to blame for is never tried again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    attempts: int = Field(default=1, ge=1, le=10)
    delay_s: float = Field(default=0.1, ge=0, le=60)


class StepSpec(BaseModel):
    """A node of the graph."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    use: ComponentReference
    parameters: dict[str, Any] = Field(default={}, alias="with")
    sources: dict[str, References] = Field(default={}, alias="from")
    retry: Retry = Retry()
    timeout_s: float | None = Field(default=None, gt=0, le=3600)
    """Each attempt is stopped after that."""


class PipelineSpec(BaseModel):
    """A pipeline's version; once published it never changes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    pipeline: Name
    version: int = Field(default=1, ge=1)
    description: str = Field(default="", max_length=2000)
    inputs: list[Name] = Field(default=["picture"], min_length=1, max_length=16)
    """What the caller gives, each an encoded picture."""
    steps: dict[Name, StepSpec] = Field(min_length=1)
    outputs: dict[Name, Reference] = Field(min_length=1)
    long_running: bool = False
    """Whether live executions of it are runs of Dagster: it takes minutes rather than seconds."""

    def to_data(self) -> dict[str, Any]:
        """Return plain data, as JSON and YAML write it; what equals its default is left out."""
        data: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return data

    def with_parameters(self, overrides: Mapping[str, Mapping[str, Any]]) -> Self:
        """Return the spec with some steps' parameters replaced; raise `InvalidPipeline` for unknown steps."""
        unknown = [name for name in overrides if name not in self.steps]
        if unknown:
            known = ", ".join(self.steps)
            raise InvalidPipeline(
                [Fault(path=f"steps.{name}", reason=f"there is no such step: there is {known}") for name in unknown]
            )
        changed = {
            name: step.model_copy(update={"parameters": {**step.parameters, **overrides.get(name, {})}})
            for name, step in self.steps.items()
        }
        return self.model_copy(update={"steps": changed})
