"""What goes over a WebSocket: messages of clients and of the gateway, each one JSON object with its `type`."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from imageflow_domain.executions import ExecutionState
from imageflow_executions.preview import MOST_SAMPLES, SIDE_PX
from imageflow_gateway.log_lines import LogLineEntry
from imageflow_gateway.previews_schema import PreviewedSample

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


class PreviewImage(BaseModel):
    """An image of a preview: one that follows in binary frames, or one that an earlier preview had."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=200)] = "image"
    """The input of the pipeline; any name where it has one."""
    size: int | None = Field(default=None, ge=1)
    """Bytes of all its frames together."""
    sha256: str | None = Field(default=None, max_length=64)
    """In hex, in place of `size` and the frames. Refused with SAMPLE_FORGOTTEN where it has to be sent again."""

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        if (self.size is None) == (self.sha256 is None):
            raise ValueError("an image has a size or a sha256: one of the two")
        return self


class Preview(_FromClient):
    """Compute the outputs of one step for samples. It takes the place of an older preview of this connection."""

    type: Literal["preview"]
    spec: dict[str, Any]
    """The pipeline."""
    step: str
    """The one whose outputs are wanted."""
    images: list[PreviewImage] = Field(min_length=1, max_length=16 * MOST_SAMPLES)
    """The first image of each name is in the first sample, the second one in the second sample."""
    longest_side_px: int = SIDE_PX
    """Pixels that are larger are reduced to it."""


class Stream(_FromClient):
    """Begin a camera stream: from its answer on, every binary frame is an image, until `end_stream`."""

    type: Literal["stream"]
    pipeline: str | None = Field(default=None, examples=["edges"])
    """name or name@version of a published pipeline, which has one input."""
    spec: dict[str, Any] | None = None
    """A whole pipeline, in place of a published one."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """step.parameter, or parameter where only one step has it, to its value."""
    client_id: str = ""
    correlation_id: str = ""


class EndStream(_FromClient):
    """Send no more frames: the stream ends once the newest one is processed."""

    type: Literal["end_stream"]


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


AnyClientMessage = (
    Start | Preview | Stream | EndStream | Subscribe | Unsubscribe | SubscribeLogs | UnsubscribeLogs | Cancel
)
ClientMessage = Annotated[AnyClientMessage, Field(discriminator="type")]

CLIENT_MESSAGES: Final[TypeAdapter[AnyClientMessage]] = TypeAdapter(ClientMessage)


class SocketProblem(BaseModel):
    """What went wrong."""

    code: str = Field(examples=["NOT_FOUND"])
    message: str
    details: Mapping[str, Any] = Field(default_factory=dict)


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


class Previewed(BaseModel):
    """What the step gave for each sample, in their order."""

    type: Literal["previewed"] = "previewed"
    id: str
    samples: list[PreviewedSample]


class Streaming(BaseModel):
    """A camera stream has begun: its frames may be sent."""

    type: Literal["streaming"] = "streaming"
    id: str
    execution_id: uuid.UUID


class FrameOutput(BaseModel):
    """One output for a frame."""

    kind: str = Field(examples=["encoded"])
    media_type: str = Field(examples=["image/jpeg"])
    sha256: str
    """Of the bytes."""
    data: str
    """The bytes in base64."""


class FrameResult(BaseModel):
    """What the pipeline gave for one frame of the stream. Results come in the order of their frames."""

    type: Literal["frame"] = "frame"
    execution_id: uuid.UUID
    frame: int
    """Its number: the stream's binary frames are numbered from 0."""
    outputs: dict[str, FrameOutput | None]
    """`null` where a branch went another way; empty where there is an error."""
    processing_time_ms: float
    dropped: int
    """Frames that were dropped since the result before, as newer ones came while they waited."""
    dropped_frames: list[int]
    """Their numbers; the newest 100 where there are more."""
    error: SocketProblem | None = None


class StreamEnded(BaseModel):
    """The stream is over. Its execution has the counts of its frames."""

    type: Literal["stream_ended"] = "stream_ended"
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
