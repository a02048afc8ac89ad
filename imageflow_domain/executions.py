"""Executions: one run of a pipeline on one set of images, as clients start, follow and find it again."""

import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Any

from imageflow_domain.errors import InvalidInput
from imageflow_domain.resource_use import ResourceUse, total

_TIME_BITS_BELOW = 80
_RANDOM_BITS = 74


class ExecutionState(StrEnum):
    """How an execution stands: it waits, is worked on, and ends in one of the last three."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_end(self) -> bool:
        """Whether nothing changes any more."""
        return self in ENDS


ENDS = frozenset({ExecutionState.COMPLETED, ExecutionState.FAILED, ExecutionState.CANCELLED})


class Runner(StrEnum):
    """Who executes an execution."""

    ENGINE = "engine"
    DAGSTER = "dagster"
    """A run of Dagster: of a pipeline that is marked as long-running, or that has container components."""


class Priority(IntEnum):
    """Which of several waiting executions goes first. The numbers are those of the protocol buffers."""

    LOW = 0
    NORMAL = 1
    HIGH = 2

    @classmethod
    def parse(cls, text: str) -> "Priority":
        """Return the priority of a name in small letters; raise `InvalidInput` that lists them."""
        try:
            return cls[text.upper()]
        except KeyError:
            known = ", ".join(each.name.lower() for each in cls)
            raise InvalidInput(f"'{text[:80]}' is no priority: it is one of {known}.") from None


@dataclass(frozen=True, kw_only=True)
class ImageObject:
    """An input or output of an execution in the object store."""

    key: str
    sha256: str
    """In hex, of the object's bytes."""
    size: int
    """In bytes."""
    media_type: str
    kind: str = "encoded"
    """Of the value: 'encoded' for images, or such as 'measurements', which are stored as JSON."""


@dataclass(frozen=True, kw_only=True)
class ExecutionRequest:
    """What a client asks for, beside the images."""

    pipeline: str
    """`name@version` of a published pipeline."""
    spec: Mapping[str, Any] | None
    """The spec where the client sent one; `None` for a published pipeline."""
    parameters: Mapping[str, Mapping[str, Any]]
    """Of every step, as they take effect: the spec's with those that the client replaced."""
    priority: Priority
    principal: str
    client: str
    """What the client calls itself; empty where it does not."""
    correlation: str
    """The client's own id of the request; empty where it has none."""
    protocol: str
    """By which it came, such as 'rest'."""
    runner: Runner = Runner.ENGINE


@dataclass(frozen=True, kw_only=True)
class StepFacts:
    """What one step of an execution did."""

    step: str
    place: int
    """Among the steps of the plan, from 0."""
    status: str
    """As in `StepStatus` of the pipelines."""
    started_s: float
    """Since this attempt at the execution began."""
    seconds: float
    """All tries and the waits between them."""
    tries: tuple[Mapping[str, Any], ...] = ()
    """Seconds, error and resources of each."""

    @property
    def error(self) -> str:
        """Of the last try that failed; empty where none did."""
        return next((str(each["error"]) for each in reversed(self.tries) if each.get("error")), "")

    @property
    def resources(self) -> ResourceUse:
        """What all tries used together."""
        return total(ResourceUse.of(each.get("resources", {})) for each in self.tries)


@dataclass(frozen=True, kw_only=True)
class ExecutionError:
    """Why an execution failed."""

    code: str
    """For programs, e.g. `STEP_FAILED`."""
    message: str
    step: str = ""
    """The one that failed, where it was one."""


@dataclass(frozen=True, kw_only=True)
class FrameCounts:
    """What became of the frames of a camera stream."""

    processed: int = 0
    dropped: int = 0
    """As newer ones came while they waited."""
    failed: int = 0
    """A step refused them, or failed."""


@dataclass(frozen=True, kw_only=True)
class ExecutionRecord:
    """An execution as the database keeps it."""

    id: uuid.UUID
    request: ExecutionRequest
    state: ExecutionState
    attempt: int
    """How often an engine took it; the number that each of its writes carries."""
    failures: int
    """How often its engine was lost, or something that it needs was down."""
    inputs: Mapping[str, ImageObject]
    outputs: Mapping[str, ImageObject | None]
    """`None` where a branch went another way; empty until it is completed."""
    error: ExecutionError | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    estimated_end_at: datetime | None
    """The estimate at the start of the execution."""
    frames: FrameCounts | None = None
    """Of a camera stream; `None` for any other execution."""


def new_id() -> uuid.UUID:
    """Return a UUID of version 7 (RFC 9562, section 5.7): its first 48 bits are the time in milliseconds."""
    return _uuid7(time.time_ns() // 1_000_000, int.from_bytes(os.urandom(10)) & ((1 << _RANDOM_BITS) - 1))


def first_id(moment: datetime) -> uuid.UUID:
    """Return what is not above any id that is made from a moment on."""
    return uuid.UUID(int=max(0, int(moment.timestamp() * 1000)) << _TIME_BITS_BELOW)


def created_month(execution: uuid.UUID) -> str:
    """Return the month in which an id was made, in UTC, e.g. `2026-11`."""
    made = datetime.fromtimestamp((execution.int >> _TIME_BITS_BELOW) / 1000, UTC)
    return f"{made:%Y-%m}"


def parse_id(text: str) -> uuid.UUID:
    """Return the id that a text spells; raise `InvalidInput` for anything but a UUID of version 7."""
    try:
        found = uuid.UUID(text)
    except ValueError:
        found = None
    if found is None or found.version != 7 or str(found) != text:
        raise InvalidInput(f"'{text[:80]}' is no id of an execution: it looks like '{_EXAMPLE}'.")
    return found


_EXAMPLE = "0199d1f0-7c3a-7b52-9c1e-4f6a2d8e0b31"


def _uuid7(utc_ms: int, random: int) -> uuid.UUID:
    high, low = random >> 62, random & ((1 << 62) - 1)
    return uuid.UUID(int=utc_ms << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)
