"""What the events of an execution carry."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from imageflow_domain.executions import ExecutionState
from imageflow_executions.history import ExecutionInFull


class SnapshotStep(BaseModel):
    """How one step stands."""

    step: str
    status: str = Field(examples=["running"])
    seconds: float
    resources: dict[str, Any]
    """`cpu_s`, `peak_memory_bytes` and `gpu_memory_bytes`, as far as they are known."""


class ExecutionSnapshot(BaseModel):
    """How an execution stands when a client begins to follow it."""

    execution_id: str
    pipeline: str
    state: ExecutionState
    attempt: int
    steps: list[SnapshotStep]

    @classmethod
    def of(cls, found: ExecutionInFull) -> "ExecutionSnapshot":
        """Return the snapshot of an execution."""
        return cls(
            execution_id=str(found.record.id),
            pipeline=found.record.request.pipeline,
            state=found.record.state,
            attempt=found.record.attempt,
            steps=[
                SnapshotStep(step=one.step, status=one.status, seconds=one.seconds, resources=one.resources.to_data())
                for one in found.steps
            ],
        )


class StateEvent(BaseModel):
    """The execution's state changed."""

    state: ExecutionState
    attempt: int
    """How often an engine has taken it: steps of a greater one begin anew."""
    at: datetime
    error: dict[str, Any] | None = None
    """`code`, `step` and `message` of one that failed."""
    reason: str | None = None
    """Why it waits again."""


class StepEvent(BaseModel):
    """A step began or ended."""

    step: str
    status: str
    attempt: int
    seconds: float
    at: datetime
    tries: int = 1
    error: str | None = None
    resources: dict[str, Any] | None = None
    """As far as they are known, of all tries."""
