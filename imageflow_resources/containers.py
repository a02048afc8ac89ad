"""Containers of components, as a Dagster resource."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import dagster as dg
from pydantic import Field
from typing_extensions import override

from imageflow_clients.containers.local import LocalContainers
from imageflow_clients.settings import Settings
from imageflow_domain.containers import Containers


class ContainersResource(dg.ConfigurableResource[Containers]):
    """Runs components that are container images; the containers end with the run."""

    program: str | None = Field(
        default=None, description="podman, docker or a path. Unset: the first of them that is installed."
    )
    scratch: str = Field(description="A folder for images while containers read and write them.")

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the resource as the environment configures it."""
        return cls(program=settings.container_program, scratch=str(settings.scratch_path))

    @contextmanager
    @override
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Containers]:
        with LocalContainers(Path(self.scratch), program=self.program) as containers:
            yield containers
