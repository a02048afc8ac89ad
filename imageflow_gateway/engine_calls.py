"""What an engine computes for the gateway at once, over gRPC: the gateway itself executes no pipeline."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from imageflow.client.preview_request import PreviewRequest
from imageflow.client.request import StartRequest
from imageflow.client.values import ProcessedFrame, SamplePreview
from imageflow_domain.errors import Unavailable

if TYPE_CHECKING:
    from imageflow.client.rpc import Rpc

_PREVIEW_S = 30.0
"""An engine gives up before."""

_STREAM_S = 24 * 3600.0


class EngineCalls:
    """Calls of one process. Belongs to one event loop.

    Args:
        address: Host and port of an engine's gRPC; `None` where no engine serves it.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._connected: Rpc | None = None

    async def preview(self, request: PreviewRequest) -> Sequence[SamplePreview]:
        """Return what a step gives for samples.

        Raises what the engine answers, and `Unavailable` where none does.
        """
        return await self._rpc().preview(request, timeout_s=_PREVIEW_S)

    def stream(
        self, request: StartRequest, frames: AsyncIterator[tuple[int, bytes]]
    ) -> AsyncGenerator[ProcessedFrame | UUID]:
        """Yield the id of a camera stream's execution, then the result of each frame that is processed.

        Raises what the engine answers, and `Unavailable` where none does.
        """
        return self._rpc().stream(request, frames, timeout_s=_STREAM_S)

    def _rpc(self) -> "Rpc":
        if self._address is None:
            raise Unavailable("No engine serves gRPC here, which previews need: set IMAGEFLOW_ENGINE_GRPC_PORT.")
        if self._connected is None:
            # Imported only where it is used: it takes a quarter of a second, and 20 MB.
            from imageflow.client.rpc import Rpc

            self._connected = Rpc(self._address)
        return self._connected
