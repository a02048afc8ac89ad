"""The outcome of one run: its outputs, and what each step did and when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from imageflow_domain.errors import ImageFlowError
from imageflow_domain.resource_use import ResourceUse
from imageflow_pipelines.values import Value


class StepStatus(StrEnum):
    """How a step stands: `running` until it ends in one of the others."""

    RUNNING = "running"
    DONE = "done"
    REUSED = "reused"
    """Its outputs were there from an earlier run."""
    SKIPPED = "skipped"
    """It hangs on a way that a branch did not take."""
    UNNEEDED = "unneeded"
    """No output of the pipeline depends on it, or everything that does was reused."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    """It was stopped, or never begun because the run was over."""


@dataclass(frozen=True, kw_only=True)
class StepAttempt:
    """One try of a step."""

    seconds: float
    error: str = ""
    """What went wrong; empty for the one that succeeded."""
    resources: ResourceUse = field(default_factory=ResourceUse)


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """What a step did."""

    step: str
    status: StepStatus
    started_s: float = 0.0
    """Since the run began."""
    seconds: float = 0.0
    """All attempts and the waits between them."""
    attempts: tuple[StepAttempt, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Execution:
    """A run that is over."""

    outputs: Mapping[str, Value | None]
    """By name of the spec; `None` where a branch went another way. Empty for a run that failed."""
    steps: Mapping[str, StepRecord]
    """In the plan's order."""
    seconds: float
    error: ImageFlowError | None
    """`StepRefused`, `StepFailed` or `Cancelled`."""

    def succeeded(self) -> Self:
        """Return the execution itself, or raise its error."""
        if self.error is not None:
            raise self.error
        return self
