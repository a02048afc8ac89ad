"""What a protocol has to do: one attempt at each call, which the client repeats where it may."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol
from uuid import UUID

from imageflow.client.preview_request import PreviewRequest
from imageflow.client.request import StartRequest
from imageflow.client.values import Change, Execution, LogLines, SamplePreview


class Transport(Protocol):
    """One protocol. Its errors are those of `imageflow_domain.errors`; `Unavailable` for what may pass."""

    name: str

    async def start(self, request: StartRequest, *, wait_s: float, timeout_s: float) -> Execution:
        """Start an execution, and wait for its end for a while; outputs may have their bytes already."""

    async def get(self, execution: UUID, *, timeout_s: float) -> Execution:
        """Return an execution as it is."""

    async def cancel(self, execution: UUID, *, timeout_s: float) -> Execution:
        """Cancel an execution."""

    def watch(self, execution: UUID, after: str, *, timeout_s: float) -> AsyncGenerator[Change]:
        """Yield changes until the end of the execution, of the connection or of the time."""

    async def preview(self, request: PreviewRequest, *, timeout_s: float) -> Sequence[SamplePreview]:
        """Return what a step gives for each sample."""

    def read_log(self, execution: UUID, after: str, *, follow: bool, timeout_s: float) -> AsyncGenerator[LogLines]:
        """Yield the lines that are there; with `follow`, those until the end of the execution or of the connection."""

    async def read(self, execution: UUID, output: str, *, timeout_s: float) -> bytes:
        """Return the bytes of an output."""

    async def close(self) -> None:
        """Close all connections."""
