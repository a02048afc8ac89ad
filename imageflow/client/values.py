"""What the client returns: the same values over every protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from imageflow_domain.executions import ExecutionState
from imageflow_domain.resource_use import ResourceUse


class Protocol(StrEnum):
    """How a client talks to a server."""

    AUTO = "auto"
    """As the server recommends for each image."""
    REST = "rest"
    GRPC = "grpc"


@dataclass(frozen=True, kw_only=True)
class Output:
    """One output of an execution."""

    name: str
    sha256: str
    """In hex, of its bytes."""
    size: int
    """In bytes."""
    media_type: str
    kind: str
    """Of the value: images are files as the pipeline encoded them, pixels are PNG, everything else is JSON."""
    data: bytes = field(default=b"", repr=False)
    """Its bytes; empty until they are read: `process` and `result` do."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why an execution failed."""

    code: str
    """For programs, e.g. `STEP_FAILED`."""
    message: str
    step: str = ""
    """The one that failed, where it was one."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one step did."""

    step: str
    status: str
    seconds: float
    tries: int = 1
    error: str = ""
    """Of the last try that failed."""
    resources: ResourceUse = field(default_factory=ResourceUse)
    """What all tries used together, as far as it is known."""


@dataclass(frozen=True, kw_only=True)
class Frames:
    """What became of the frames of a camera stream."""

    processed: int
    dropped: int
    failed: int


@dataclass(frozen=True, kw_only=True)
class Execution:
    """An execution as it stood when it was read."""

    id: UUID
    state: ExecutionState
    pipeline: str
    """`name@version`."""
    correlation_id: str
    attempt: int
    """How often an engine has taken it."""
    outputs: Mapping[str, Output | None]
    """`None` where a branch went another way; empty until it is completed."""
    steps: Sequence[Step]
    """Those that have begun, in the pipeline's order."""
    error: Problem | None
    estimated_end_at: datetime | None
    """What was estimated when it was accepted; `None` where nothing of the kind had completed yet."""
    frames: Frames | None = None
    """Of a camera stream; `None` for any other execution."""


@dataclass(frozen=True, kw_only=True)
class PreviewOutput:
    """What a step gave at one of its outputs."""

    name: str
    kind: str
    """Of the value: encoded images are files as the step wrote them, pixels are PNG, everything else is JSON."""
    media_type: str
    sha256: str
    """In hex, of its bytes."""
    data: bytes = field(repr=False)
    width_px: int
    """Of the value in the pipeline, which `data` shows reduced where that is smaller; 0 for anything but pixels."""
    height_px: int


@dataclass(frozen=True, kw_only=True)
class SamplePreview:
    """What a step gave for one sample."""

    outputs: Mapping[str, PreviewOutput | None]
    """`None` where a branch went another way; empty where there is an error."""
    steps: Sequence[Step]
    """The step and those that it depends on, in the pipeline's order. `reused` was kept from an earlier preview, and so
    was what is `unneeded`."""
    seconds: float
    error: Problem | None


@dataclass(frozen=True, kw_only=True)
class ProcessedFrame:
    """What a pipeline gave for one frame of a camera stream."""

    execution: UUID
    """The stream."""
    frame: int
    """Its number, from 0."""
    outputs: Mapping[str, Output | None]
    """`None` where a branch went another way; empty where there is an error."""
    seconds: float
    dropped: int
    """Frames that were dropped since the result before, as newer ones came while they waited."""
    dropped_frames: Sequence[int]
    """Their numbers; the newest 100 where there are more."""
    error: Problem | None


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """A line that a step of an execution logged."""

    cursor: str
    """Its place among the lines of the execution: `after` of a call that continues."""
    step: str
    """Empty where no step logged it."""
    at: datetime
    level: str
    """debug, info, warning, error or critical."""
    text: str


@dataclass(frozen=True, kw_only=True)
class LogLines:
    """Some lines, in order."""

    lines: Sequence[LogLine]
    is_end: bool
    """Whether the execution has ended, and these are its last lines."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """An event of an execution, or how it stands when a client begins to follow it."""

    cursor: str
    """Its place among the events of the execution: `after` of a call that continues."""
    state: ExecutionState | None = None
    """The new state, or the state of a snapshot; `None` for a step's change."""
    steps: Sequence[Step] = ()
    """The step that began or ended, or those of a snapshot."""
    attempt: int
    is_snapshot: bool = False
    error: Problem | None = None

    @property
    def is_end(self) -> bool:
        """Whether nothing changes any more."""
        return self.state is not None and self.state.is_end
