"""The manifest of a container component: its name and version, ports, parameters and limits."""

from dataclasses import replace
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from imageflow_domain.containers import ContainerLimits
from imageflow_domain.errors import Fault, InvalidManifest, InvalidPipeline
from imageflow_domain.ids import Name
from imageflow_pipelines.canonical import canonical_json
from imageflow_pipelines.component import InputPort, OutputPort, Ports
from imageflow_pipelines.parameter_schema import schema_faults
from imageflow_pipelines.spec_text import WHOLE, check_plain, faults_of, read_data
from imageflow_pipelines.values import KINDS, Image, Mask

MAX_MANIFEST_BYTES = 64_000

_CONFIG = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
_SIZED = (Image, Mask)
_WHOLE = "manifest"
"""The path of what concerns no place of its own."""


def _kind(value: str) -> str:
    if value not in KINDS:
        raise ValueError(f"'{value[:80]}' is no kind of value: there is {', '.join(KINDS)}")
    return value


Kind = Annotated[str, AfterValidator(_kind)]


class ManifestInput(BaseModel):
    """A port that takes values."""

    model_config = _CONFIG

    kind: Kind
    required: bool = True
    many: bool = False
    """Several edges may end here; the component gets a list."""


class ManifestOutput(BaseModel):
    """A port that gives a value."""

    model_config = _CONFIG

    kind: Kind
    optional: bool = False
    """It may give nothing; steps that need it are then skipped."""
    same_size_as: str | None = None
    """The input whose width and height an image or mask must have."""


class Resources(BaseModel):
    """The limits of a container."""

    model_config = _CONFIG

    cpus: float = Field(default=1, gt=0, le=64)
    memory_mb: int = Field(default=512, ge=16, le=262_144)
    time_limit_s: float = Field(default=60, gt=0, le=3600)
    """For one image."""
    start_limit_s: float = Field(default=120, gt=0, le=3600)
    """From the start of the container until it is ready."""

    @property
    def limits(self) -> ContainerLimits:
        """The same as a value of the port."""
        return ContainerLimits(
            cpus=self.cpus, memory_mb=self.memory_mb, time_s=self.time_limit_s, start_s=self.start_limit_s
        )


class Manifest(BaseModel):
    """What pipelines need to know of a container component."""

    model_config = _CONFIG

    name: Name
    version: int = Field(ge=1, le=999_999_999)
    description: str = Field(min_length=1, max_length=2000)
    changes: str = Field(default="", max_length=2000)
    """What it gives otherwise than the version before; empty for the first version."""
    inputs: dict[Name, ManifestInput] = Field(min_length=1, max_length=16)
    outputs: dict[Name, ManifestOutput] = Field(min_length=1, max_length=16)
    parameters: dict[str, Any] = {"type": "object", "properties": {}}
    """JSON Schema."""
    resources: Resources = Resources()

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        for name, output in self.outputs.items():
            if output.same_size_as is None:
                continue
            source = self.inputs.get(output.same_size_as)
            if KINDS[output.kind] not in _SIZED or source is None or KINDS[source.kind] not in _SIZED or source.many:
                raise ValueError(
                    f"outputs.{name}.same_size_as: an image or mask may have the size of an input that is one image or "
                    f"mask, and '{output.same_size_as}' or '{name}' is not"
                )
        return self

    @property
    def reference(self) -> str:
        """As specs name it: `name@version`."""
        return f"{self.name}@{self.version}"

    def to_data(self) -> dict[str, Any]:
        """Return plain data; what equals its default is left out."""
        data: dict[str, Any] = self.model_dump(mode="json", exclude_defaults=True)
        return data

    def ports(self) -> Ports:
        """Return the ports as plans check them."""
        return Ports(
            inputs={
                name: InputPort(
                    name=name,
                    kinds=(KINDS[port.kind],),
                    is_required=port.required,
                    takes_many=port.many,
                    follows=False,
                )
                for name, port in self.inputs.items()
            },
            outputs={
                name: OutputPort(name=name, kind=KINDS[port.kind], is_optional=port.optional)
                for name, port in self.outputs.items()
            },
            context="context",
        )


def read_manifest(text: str) -> Manifest:
    """Return the manifest that YAML or JSON text describes; raise `InvalidManifest` with every fault."""
    try:
        data = read_data(text)
    except InvalidPipeline as error:
        raise _invalid(error) from error
    return parse_manifest(data)


def parse_manifest(data: Any) -> Manifest:
    """Return the manifest that plain data describes; raise `InvalidManifest` with every fault."""
    try:
        check_plain(data)
        manifest = Manifest.model_validate(data)
    except InvalidPipeline as error:
        raise _invalid(error) from error
    except ValidationError as error:
        schema = data.get("parameters") if isinstance(data, dict) else None
        wrong = [] if schema is None else schema_faults(schema, "parameters")
        raise InvalidManifest([*faults_of(error, whole=_WHOLE), *wrong]) from error
    faults = schema_faults(manifest.parameters, "parameters")
    if len(canonical_json(manifest.to_data())) > MAX_MANIFEST_BYTES:
        faults.append(Fault(path=_WHOLE, reason=f"has more than {MAX_MANIFEST_BYTES:,} bytes: shorten its texts"))
    if faults:
        raise InvalidManifest(faults)
    return manifest


def _invalid(error: InvalidPipeline) -> InvalidManifest:
    """Return the faults of text or data that no spec could hold either."""
    return InvalidManifest([replace(each, path=_WHOLE) if each.path == WHOLE else each for each in error.faults])
