"""What a run's worker asks of the processes and pods that execute its steps."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import dagster as dg
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.state import KnownExecutionState
from dagster._core.execution.plan.step import ExecutionStep
from dagster_shared.error import SerializableErrorInfo

if TYPE_CHECKING:  # on one machine, Kubernetes' client is not loaded
    from imageflow_assets.k8s_jobs import BarePods, Jobs


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A step's process is done with it, and has closed what the step had open."""

    events: tuple[dg.DagsterEvent, ...] = ()
    """From the step's result on; the others were sent at once."""
    error: SerializableErrorInfo | None = None
    """What ended it from outside the step: a resource that did not open, a cancellation."""


@dataclass(frozen=True, kw_only=True)
class Lost:
    """A step's process or pod ended without a result."""

    why: str


News = dg.DagsterEvent | Ended | Lost


class StepHost(AbstractContextManager["StepHost"], Protocol):
    """Executes steps of one run. At the end of its context no step is left at work."""

    def begin(self, step: ExecutionStep, known_state: KnownExecutionState) -> None:
        """Have a step executed."""

    def news(self, timeout_s: float) -> Iterator[tuple[str, News]]:
        """Yield what steps say, by their keys, or nothing after a while. `Ended` and `Lost` are the last of a step."""

    def interrupt(self, patience_s: float) -> Iterator[dg.DagsterEvent]:
        """End all steps, by force those that are not done in time, and yield what they still say."""


@runtime_checkable
class HostsSteps(Protocol):
    """A run launcher whose runs are Jobs, and so are some of their steps."""

    def step_host(self, plan_context: PlanOrchestrationContext, rest: StepHost) -> StepHost:
        """Return the host of a run's steps.

        Args:
            plan_context: The run's.
            rest: Executes the steps that need no host of their own.
        """

    def jobs(self) -> "Jobs":
        """Return the Jobs of all runs and of their steps."""

    def component_pods(self) -> "BarePods":
        """Return the pods that runs made for components."""
