"""Who computes models, and processes for steps that must be stoppable, as Dagster resources."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import dagster as dg
from pydantic import Field
from typing_extensions import override

from imageflow_clients.objects import ObjectStore
from imageflow_clients.settings import InferenceSettings, Settings
from imageflow_clients.step_process import StepProcesses
from imageflow_domain.inference import ModelRegistry
from imageflow_domain.isolation import Isolation
from imageflow_resources.object_store import ObjectStoreResource
from imageflow_resources.variables import env_var


@functools.cache
def shared_models(settings: InferenceSettings, objects: ObjectStore) -> ModelRegistry:
    """Open the models of a store once for a process: loading one takes seconds."""
    from imageflow_clients.inference.opening import open_models  # brings ONNX Runtime, which no map needs

    return open_models(settings, objects)


class InferenceResource(dg.ConfigurableResource[ModelRegistry]):
    """The registered models, computed here or by a server; each is loaded at its first use."""

    object_store: dg.ResourceDependency[ObjectStore]
    provider: str | None = Field(
        default=None, description="tensorrt, cuda or cpu. Unset: the first of them that this machine has."
    )
    threads: int = Field(ge=0, description="Of one model's session. 0: as many as there are cores.")
    server_url: str | None = Field(
        default=None,
        description="A Triton or KServe server, http://host:8000, that computes in place of this machine.",
    )
    server_versions: bool = Field(
        description="Whether that server knows versions of models; without, defects@3 is called defects_3 there."
    )

    @classmethod
    def of(cls, settings: InferenceSettings, object_store: ObjectStoreResource | ObjectStore) -> Self:
        """Return the resource as the environment configures it."""
        return cls(
            object_store=object_store,
            provider=settings.inference_provider,
            threads=settings.inference_threads,
            server_url=env_var("IMAGEFLOW_INFERENCE_URL"),
            server_versions=settings.inference_versions,
        )

    @override
    def create_resource(self, context: dg.InitResourceContext) -> ModelRegistry:
        settings = InferenceSettings(
            inference_provider=self.provider,
            inference_threads=self.threads,
            inference_url=self.server_url,
            inference_versions=self.server_versions,
        )
        return shared_models(settings, self.object_store)


class IsolationResource(dg.ConfigurableResource[Isolation]):
    """Processes for long steps, which can be killed and end with the run."""

    kept: int = Field(ge=0, description="Idle processes that are kept, each of some 100 MB; others start when needed.")

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the resource as the environment configures it."""
        return cls(kept=settings.step_processes)

    @contextmanager
    @override
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Isolation]:
        with StepProcesses(kept=self.kept) as processes:
            yield processes
