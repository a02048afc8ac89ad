"""Containers of components, as a Dagster resource."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

import dagster as dg
from pydantic import Field
from typing_extensions import override

from imageflow_clients.containers.local import LocalContainers
from imageflow_clients.containers.program import KUBERNETES
from imageflow_clients.settings import Settings
from imageflow_domain.containers import Containers
from imageflow_domain.errors import Unavailable

if TYPE_CHECKING:  # on one machine, Kubernetes' client is not loaded
    from imageflow_clients.containers.pods import PodMaker


@runtime_checkable
class MakesPods(Protocol):
    """A run launcher whose runs are pods, which may make pods for components."""

    def pod_maker(self, run_id: str) -> "PodMaker":
        """Return how a run makes pods, in the pod of this run; raise `Unavailable` where it may not."""


class ContainersResource(dg.ConfigurableResource[Containers]):
    """Runs components that are container images; the containers end with the run."""

    program: str | None = Field(
        default=None,
        description="podman, docker, a path, or kubernetes. Unset: the first program that is installed.",
    )
    scratch: str = Field(description="A folder for images while containers read and write them.")

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the resource as the environment configures it."""
        return cls(program=settings.container_program, scratch=str(settings.scratch_path))

    @contextmanager
    @override
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Containers]:
        if self.program == KUBERNETES:
            from imageflow_clients.containers.pods import PodContainers

            with PodContainers(lambda: _pod_maker(context)) as pods:
                yield pods
        else:
            with LocalContainers(Path(self.scratch), program=self.program) as containers:
                yield containers


def _pod_maker(context: dg.InitResourceContext) -> "PodMaker":
    launcher = None if context.instance is None else context.instance.run_launcher
    if not isinstance(launcher, MakesPods) or context.run is None:
        raise Unavailable(
            "IMAGEFLOW_CONTAINER_PROGRAM is 'kubernetes', and this run is no pod of a cluster: unset it, and install "
            "podman or docker."
        )
    return launcher.pod_maker(context.run.run_id)
