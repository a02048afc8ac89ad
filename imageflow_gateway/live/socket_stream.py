"""The camera stream of one WebSocket."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from uuid import UUID

from starlette.websockets import WebSocketDisconnect

from imageflow.client.stream_request import stream_request
from imageflow.client.values import Output, ProcessedFrame
from imageflow_domain.errors import InvalidInput, TooLarge
from imageflow_gateway.gateway import Gateway
from imageflow_gateway.live.socket_answers import SocketAnswers
from imageflow_gateway.live.socket_messages import (
    FrameOutput,
    FrameResult,
    SocketProblem,
    Stream,
    StreamEnded,
    Streaming,
)


class SocketStream:
    """One stream, from its beginning to its end.

    Args:
        gateway: Reaches an engine, and has the limits.
        message: What begins it.
        answers: Sends messages to the client.
    """

    def __init__(self, gateway: Gateway, message: Stream, answers: SocketAnswers) -> None:
        self._gateway = gateway
        self._message = message
        self._answers = answers
        self._limits = gateway.capacity.socket
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue(self._limits.waiting_frames)
        self._task = asyncio.create_task(self._run())

    @property
    def is_over(self) -> bool:
        """Whether it takes no more frames."""
        return self._task.done()

    @property
    def id(self) -> str:
        """Of the message that began it."""
        return self._message.id

    async def take(self, frame: bytes) -> None:
        """Take a frame, once there is room for it; raise `InvalidInput` or `TooLarge` for one that is not taken."""
        if not frame:
            raise InvalidInput("A frame is empty (0 bytes): send an image.")
        if len(frame) > (most := self._limits.stream_frame_bytes):
            raise TooLarge(f"A frame has {len(frame):,} bytes, more than {most:,}: make it smaller.")
        await self._put(frame)

    async def finish(self) -> None:
        """Send no more frames."""
        await self._put(None)

    def end(self) -> None:
        """End it at once: its client is gone."""
        self._task.cancel()

    async def _put(self, frame: bytes | None) -> None:
        putting = asyncio.ensure_future(self._frames.put(frame))
        await asyncio.wait({putting, self._task}, return_when=asyncio.FIRST_COMPLETED)
        putting.cancel()  # where the stream ended first, the queue is read no longer

    async def _run(self) -> None:
        message = self._message
        try:
            request = stream_request(
                {
                    "parameters": message.parameters,
                    "client_id": message.client_id,
                    "correlation_id": message.correlation_id,
                    **({"pipeline": message.pipeline} if message.pipeline is not None else {}),
                    **({"spec": message.spec} if message.spec is not None else {}),
                }
            )
            execution: UUID | None = None
            async with aclosing(self._gateway.engine.stream(request, self._numbered())) as results:
                async for result in results:
                    if isinstance(result, UUID):
                        execution = result
                        await self._answers.send(Streaming(id=message.id, execution_id=result))
                    else:
                        await self._answers.send(_frame(result))
            if execution is not None:
                await self._answers.send(StreamEnded(id=message.id, execution_id=execution))
        except WebSocketDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - answered, and logged in full where it is unexpected
            with suppress(WebSocketDisconnect):
                await self._answers.refuse(error, message.id)

    async def _numbered(self) -> AsyncIterator[tuple[int, bytes]]:
        number = 0
        while (frame := await self._frames.get()) is not None:
            yield number, frame
            number += 1


def _frame(result: ProcessedFrame) -> FrameResult:
    problem = result.error
    details = {"failed_step": problem.step} if problem is not None and problem.step else {}
    return FrameResult(
        execution_id=result.execution,
        frame=result.frame,
        outputs={name: output and _output(output) for name, output in result.outputs.items()},
        processing_time_ms=round(result.seconds * 1000, 3),
        dropped=result.dropped,
        dropped_frames=list(result.dropped_frames),
        error=problem and SocketProblem(code=problem.code, message=problem.message, details=details),
    )


def _output(output: Output) -> FrameOutput:
    return FrameOutput(
        kind=output.kind,
        media_type=output.media_type,
        sha256=output.sha256,
        data=base64.b64encode(output.data).decode(),
    )
