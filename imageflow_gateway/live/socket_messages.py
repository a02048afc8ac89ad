"""What goes over a WebSocket: messages of clients and of the gateway, each one JSON object with its `type`."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from imageflow_domain.executions import ExecutionState
from imageflow_gateway.log_lines import LogLineEntry

_Id = Annotated[str, Field(max_length=200)]


class _FromClient(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: _Id = ""
    """The client's own id of the message; the answer has it."""


class ImageAnnouncement(BaseModel):
    """An image that follows in binary frames."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=200)] = "image"
    """The input of the pipeline; any name where it has one."""
    size: int = Field(ge=1)
    """Bytes of all its frames together."""


class Start(_FromClient):
    """Start an execution. Its images follow in binary frames, one after the other, each in any number of frames."""

    type: Literal["start"]
    pipeline: str | None = Field(default=None, examples=["edges"])
    """name or name@version of a published pipeline."""
    spec: dict[str, Any] | None = None
    """A whole pipeline, in place of a published one."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """step.parameter, or parameter where only one step has it, to its value."""
    priority: Literal["low", "normal", "high"] = "normal"
    client_id: str = ""
    correlation_id: str = ""
    key: str | None = None
    """Idempotency key."""
    images: list[ImageAnnouncement] = Field(min_length=1, max_length=16)


class Subscribe(_FromClient):
    """Follow an execution; one that this connection started is followed already."""

    type: Literal["subscribe"]
    execution_id: uuid.UUID
    after: str | None = Field(default=None, examples=["1-7"])
    """`cursor` of the last message that the client has: what came after it is sent."""


class Unsubscribe(_FromClient):
    """Follow an execution no more."""

    type: Literal["unsubscribe"]
    execution_id: uuid.UUID


class SubscribeLogs(_FromClient):
    """Follow the log lines of an execution."""

    type: Literal["subscribe_logs"]
    execution_id: uuid.UUID
    after: str | None = Field(default=None, examples=["1-17"])
    """`cursor` of the last line that the client has: the lines after it are sent."""


class UnsubscribeLogs(_FromClient):
    """Follow the log lines of an execution no more."""

    type: Literal["unsubscribe_logs"]
    execution_id: uuid.UUID


class Cancel(_FromClient):
    """Cancel an execution."""

    type: Literal["cancel"]
    execution_id: uuid.UUID


AnyClientMessage = Start | Subscribe | Unsubscribe | SubscribeLogs | UnsubscribeLogs | Cancel
ClientMessage = Annotated[AnyClientMessage, Field(discriminator="type")]

CLIENT_MESSAGES: Final[TypeAdapter[AnyClientMessage]] = TypeAdapter(ClientMessage)


class Accepted(BaseModel):
    """The execution was accepted."""

    type: Literal["accepted"] = "accepted"
    id: str
    execution_id: uuid.UUID
    estimated_completion_time: datetime | None
    """`null` where nothing of the kind has completed yet."""


class Cancelling(BaseModel):
    """The execution is cancelled, or will be within two seconds."""

    type: Literal["cancelling"] = "cancelling"
    id: str
    execution_id: uuid.UUID


class StepProgress(BaseModel):
    """How one step stands."""

    step_name: str
    status: str = Field(examples=["completed"])
    processing_time_ms: float
    error: str | None = None
    resources: Mapping[str, Any] = Field(default_factory=dict)
    """`cpu_s`, `peak_memory_bytes` and `gpu_memory_bytes` of all tries, as far as they are known."""


class SocketProblem(BaseModel):
    """What went wrong."""

    code: str = Field(examples=["NOT_FOUND"])
    message: str
    details: Mapping[str, Any] = Field(default_factory=dict)


class ExecutionProgress(BaseModel):
    """How an execution stands, after each change, and every 30 s without one. The last one's state is an end."""

    type: Literal["execution_progress"] = "execution_progress"
    execution_id: uuid.UUID
    pipeline_id: str = Field(examples=["edges@1"])
    current_step: str | None
    """The step that began last and has not ended."""
    progress_percentage: float
    """Of the steps that have ended."""
    elapsed_time_ms: float
    """Since its first step."""
    estimated_remaining_ms: float | None
    """`null` where nothing of the kind has completed yet."""
    step_results: list[StepProgress]
    """Those that have begun."""
    state: ExecutionState
    attempt: int
    cursor: str = Field(examples=["1-7"])
    error: SocketProblem | None = None


class ExecutionLogs(BaseModel):
    """Log lines of an execution, in order; none every 30 s without one. The last message has `is_end`."""

    type: Literal["execution_logs"] = "execution_logs"
    execution_id: uuid.UUID
    lines: list[LogLineEntry]
    is_end: bool
    """Whether the execution has ended, and nothing more is sent of its log."""


class SocketError(BaseModel):
    """A message was refused, or an execution cannot be followed. The connection stays."""

    type: Literal["error"] = "error"
    id: str = ""
    """Of the message that was refused; empty where it had none."""
    execution_id: uuid.UUID | None = None
    error: SocketProblem
