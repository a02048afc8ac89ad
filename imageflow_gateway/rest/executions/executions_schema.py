"""What goes in and out of the executions' routes."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from imageflow_domain.executions import ExecutionRecord, ExecutionState, ImageObject, StepFacts
from imageflow_domain.resource_use import ResourceUse
from imageflow_executions.history import ExecutionInFull
from imageflow_executions.logs import LogPage
from imageflow_gateway.log_lines import LogLineEntry


class StoredFile(BaseModel):
    """An input or output, which is read from `url`."""

    url: str
    sha256: str
    size: int
    """In bytes."""
    media_type: str
    kind: str = Field(examples=["image"])
    """Of the value: images are files as they are, pixels are PNG, everything else is JSON."""

    @classmethod
    def of(cls, stored: ImageObject, url: str) -> "StoredFile":
        """Return the file of an object."""
        return cls(url=url, sha256=stored.sha256, size=stored.size, media_type=stored.media_type, kind=stored.kind)


class ExecutionProblem(BaseModel):
    """Why an execution failed."""

    code: str = Field(examples=["STEP_FAILED"])
    message: str
    step: str | None
    """The one that failed, where it was one."""


class Resources(BaseModel):
    """What a step used of the machine; `null` is not known, as of a process that was killed."""

    cpu_s: float | None = None
    """Processor time of the step's thread, or of its process where it has one of its own."""
    peak_memory_bytes: int | None = None
    """Greatest resident memory of the process while the step ran in it, other work included."""
    gpu_memory_bytes: int | None = None
    """Memory of graphics cards that the process held after the step's last use of one."""

    @classmethod
    def of(cls, used: ResourceUse) -> "Resources":
        """Return the resources of a step."""
        return cls(**used.to_data())


class StepTry(BaseModel):
    """One try of a step."""

    seconds: float
    error: str
    """Empty for the one that succeeded."""
    resources: Resources = Field(default_factory=Resources)


class ExecutionFrames(BaseModel):
    """What became of the frames of a camera stream."""

    processed: int
    dropped: int
    """As newer ones came while they waited."""
    failed: int
    """A step refused them, or failed."""


class ExecutionStep(BaseModel):
    """What one step did."""

    step: str
    status: str = Field(examples=["done"])
    started_s: float
    """Since this attempt at the execution began."""
    seconds: float
    tries: list[StepTry]
    resources: Resources
    """Of all tries: the sum of processor times, the greatest memory."""

    @classmethod
    def of(cls, facts: StepFacts) -> "ExecutionStep":
        """Return the step of its facts."""
        return cls(
            step=facts.step,
            status=facts.status,
            started_s=facts.started_s,
            seconds=facts.seconds,
            tries=[StepTry.model_validate(each) for each in facts.tries],
            resources=Resources.of(facts.resources),
        )


class ExecutionSummary(BaseModel):
    """An execution as lists have it."""

    execution_id: str
    pipeline: str = Field(examples=["scratches@1"])
    status: ExecutionState
    priority: Literal["low", "normal", "high"]
    attempt: int
    """How often an engine has taken it."""
    client_id: str
    correlation_id: str
    protocol: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    estimated_completion_time: datetime | None
    """What was estimated when it was accepted; `null` where nothing of the kind had completed."""
    error: ExecutionProblem | None
    frames: ExecutionFrames | None
    """Of a camera stream; `null` for any other execution."""

    @classmethod
    def of(cls, record: ExecutionRecord) -> "ExecutionSummary":
        """Return the summary of an execution."""
        return cls(**_facts(record))


class ExecutionList(BaseModel):
    """A page of executions."""

    executions: list[ExecutionSummary]
    next: str | None
    """`after` of the next page."""


class ExecutionDetail(ExecutionSummary):
    """An execution with its steps and files."""

    parameters: dict[str, dict[str, Any]]
    """Of every step, as they take effect."""
    inputs: dict[str, StoredFile]
    outputs: dict[str, StoredFile | None]
    """`null` where a branch went another way; empty until it is completed."""
    steps: list[ExecutionStep]
    """Those that have begun, in the pipeline's order."""

    @classmethod
    def in_full(cls, found: ExecutionInFull, address: str) -> "ExecutionDetail":
        """Return an execution whose own address is `address`."""
        record = found.record
        return cls(
            **_facts(record),
            parameters={step: dict(given) for step, given in record.request.parameters.items()},
            inputs={name: StoredFile.of(each, f"{address}/inputs/{name}") for name, each in record.inputs.items()},
            outputs={
                name: None if each is None else StoredFile.of(each, f"{address}/outputs/{name}")
                for name, each in record.outputs.items()
            },
            steps=[ExecutionStep.of(each) for each in found.steps],
        )


class ExecutionLog(BaseModel):
    """Some log lines of an execution, in order."""

    lines: list[LogLineEntry]
    next: str | None
    """`after` of the next page; `null` where there were no further lines when it was read."""
    is_end: bool
    """Whether the execution has ended, and these are its last lines."""

    @classmethod
    def of(cls, page: LogPage) -> "ExecutionLog":
        """Return the lines of a page."""
        lines = [LogLineEntry.of(line) for line in page.lines]
        return cls(lines=lines, next=lines[-1].cursor if page.has_more else None, is_end=page.is_end)


class ProcessingAccepted(BaseModel):
    """The answer to an accepted image."""

    execution_id: str
    status: Literal["accepted"] = "accepted"
    estimated_completion_time: datetime | None
    """`null` where nothing of the kind has completed yet."""


def _facts(record: ExecutionRecord) -> Mapping[str, Any]:
    error = record.error
    return {
        "execution_id": str(record.id),
        "pipeline": record.request.pipeline,
        "status": record.state,
        "priority": record.request.priority.name.lower(),
        "attempt": record.attempt,
        "client_id": record.request.client,
        "correlation_id": record.request.correlation,
        "protocol": record.request.protocol,
        "created_at": record.created_at,
        "started_at": record.started_at,
        "ended_at": record.ended_at,
        "estimated_completion_time": record.estimated_end_at,
        "frames": record.frames and ExecutionFrames(**asdict(record.frames)),
        "error": error and ExecutionProblem(code=error.code, message=error.message, step=error.step or None),
    }
