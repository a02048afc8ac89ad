"""Who computes models, and processes for steps that must be stoppable, as Dagster resources."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from imageflow_clients.inference.opening import open_models
from imageflow_clients.settings import Settings
from imageflow_clients.step_process import StepProcesses
from imageflow_domain.inference import ModelRegistry
from imageflow_domain.isolation import Isolation
from imageflow_resources.stores import shared_stores


@functools.cache
def _shared_models() -> ModelRegistry:
    return open_models(Settings(), shared_stores().objects)


class ModelsResource(dg.ConfigurableResource[ModelRegistry]):
    """The registered models; one is loaded when somebody first asks for it, once for a process."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[ModelRegistry]:  # noqa: ARG002
        yield _shared_models()


class IsolationResource(dg.ConfigurableResource[Isolation]):
    """Processes for long steps, which end with the run."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Isolation]:  # noqa: ARG002
        with StepProcesses() as processes:
            yield processes
