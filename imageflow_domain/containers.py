"""The port of components that are container images: which image, what goes in, what comes out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from typing_extensions import override

from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import Unavailable


@dataclass(frozen=True, kw_only=True)
class ContainerLimits:
    """What a container may use."""

    cpus: float
    memory_mb: int
    time_s: float
    """For one image."""
    start_s: float
    """From the start of the container until it is ready."""


@dataclass(frozen=True, kw_only=True)
class ContainerImage:
    """The image of a component and its limits."""

    component: str
    """As `name@version`."""
    image: str
    """As `repository@sha256:...`."""
    limits: ContainerLimits


@dataclass(frozen=True, kw_only=True)
class ContainerRequest:
    """The inputs of one step for one image."""

    parameters: Mapping[str, Any]
    values: Mapping[str, Any]
    """Inputs that are plain data, by port."""
    files: Mapping[str, bytes | tuple[bytes, ...]]
    """Inputs that are files, by port; a tuple where the port takes many."""
    outputs: tuple[str, ...]
    """Ports whose outputs are files."""


@dataclass(frozen=True, kw_only=True)
class ContainerAnswer:
    """The outputs of one step for one image."""

    values: Mapping[str, Any]
    """Outputs that are plain data, by port, not validated."""
    files: Mapping[str, bytes]
    """Outputs that are files, by port; those that the component did not write are left out."""
    log: str = ""
    """The last lines that the component wrote to standard error."""


class Containers(Protocol):
    """Runs components that are container images. Any number of threads may call at once."""

    def call(self, image: ContainerImage, request: ContainerRequest, *, cancellation: Cancellation) -> ContainerAnswer:
        """Return the component's answer to one request.

        Raises:
            Cancelled: When `cancellation` was thrown before the answer came; the container is removed.
            InvalidInput: The component refuses the inputs; the message is its own.
            ContainerFailed: The component gave a wrong answer or none in time.
            StepDied: The container ended without an answer.
            Unavailable: No container can be run here, or the image cannot be pulled.
        """
        ...


class NoContainers(Containers):
    """Runs none."""

    @override
    def call(self, image: ContainerImage, request: ContainerRequest, *, cancellation: Cancellation) -> ContainerAnswer:
        raise Unavailable(f"Component '{image.component}' is a container image, and this process runs no containers.")
