"""Executions over gRPC."""

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Any
from uuid import UUID

import grpc
from google.protobuf.message import DecodeError

from imageflow.client import preview_messages, stream_messages
from imageflow.client.execution_messages import metadata_of, output_of, problem_of
from imageflow.client.failures import failure
from imageflow.client.preview_request import PreviewRequest
from imageflow.client.request import StartRequest
from imageflow.client.values import Change, Execution, Frames, LogLine, LogLines, ProcessedFrame, SamplePreview, Step
from imageflow.v1 import image_processing_pb2 as pb
from imageflow.v1 import preview_pb2 as preview_pb
from imageflow.v1 import video_pb2 as video_pb
from imageflow.v1.limits import (
    CHUNK_BYTES,
    KEY,
    MOST_MESSAGE_BYTES,
    PINGS_S,
    PREVIEW_SERVICE,
    SERVICE,
    STATUS_DETAILS,
    VIDEO_SERVICE,
)
from imageflow_domain import errors
from imageflow_domain.executions import ExecutionState
from imageflow_domain.resource_use import ResourceUse

CHANNELS = 10
"""Connections to one server, used in turn."""

_OPTIONS = (
    ("grpc.max_receive_message_length", MOST_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MOST_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", round(PINGS_S * 1000)),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Channels of one address would else share one connection.
    ("grpc.use_local_subchannel_pool", 1),
    # Attempts are repeated by the client itself, under one deadline.
    ("grpc.enable_retries", 0),
)

_STATES = {
    pb.EXECUTION_STATE_QUEUED: ExecutionState.QUEUED,
    pb.EXECUTION_STATE_RUNNING: ExecutionState.RUNNING,
    pb.EXECUTION_STATE_COMPLETED: ExecutionState.COMPLETED,
    pb.EXECUTION_STATE_FAILED: ExecutionState.FAILED,
    pb.EXECUTION_STATE_CANCELLED: ExecutionState.CANCELLED,
}
_OF_CODE: dict[grpc.StatusCode, type[errors.ImageFlowError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidInput,
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.UNAVAILABLE: errors.Unavailable,
    # Ours have details: without, it is the library's, of a connection that broke while a message was written.
    grpc.StatusCode.INTERNAL: errors.Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.Timeout,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.Overloaded,
}


class Rpc:
    """An engine. Belongs to one event loop, the only one of the process that uses gRPC.

    Args:
        address: host:port.
        is_secure: Whether it is served by TLS.
    """

    def __init__(self, address: str, *, is_secure: bool = False) -> None:
        self.name = f"gRPC at {address}"
        self._channels = [_channel(address, is_secure=is_secure) for _ in range(CHANNELS)]
        self._next = itertools.cycle(self._channels)

    async def start(self, request: StartRequest, *, wait_s: float, timeout_s: float) -> Execution:
        """Start an execution: in one message, or in chunks where it does not fit."""
        metadata = ((KEY, request.key),)
        if not request.fits_one_message:
            return await self._start_in_chunks(request, timeout_s, metadata)
        method = self._method("unary_unary", "ProcessSingleImage", pb.ImageRequest, pb.ProcessingResponse)
        message = _image_request(request, wait_s)
        async with self._failures():
            return _execution(await method(message, timeout=timeout_s, metadata=metadata))

    async def get(self, execution: UUID, *, timeout_s: float) -> Execution:
        """Return an execution."""
        return await self._ask("GetExecution", execution, timeout_s)

    async def cancel(self, execution: UUID, *, timeout_s: float) -> Execution:
        """Cancel an execution."""
        return await self._ask("CancelExecution", execution, timeout_s)

    async def watch(self, execution: UUID, after: str, *, timeout_s: float) -> AsyncGenerator[Change]:
        """Yield changes."""
        method = self._method("unary_stream", "WatchExecution", pb.WatchRequest, pb.ExecutionEvent)
        call = method(pb.WatchRequest(execution_id=str(execution), after=after), timeout=timeout_s)
        try:
            async with self._failures():
                async for event in call:
                    yield _change(event)
        finally:
            call.cancel()

    async def read_log(
        self, execution: UUID, after: str, *, follow: bool, timeout_s: float
    ) -> AsyncGenerator[LogLines]:
        """Yield lines."""
        method = self._method("unary_stream", "ReadLog", pb.LogRequest, pb.LogLines)
        call = method(pb.LogRequest(execution_id=str(execution), after=after, follow=follow), timeout=timeout_s)
        try:
            async with self._failures():
                async for some in call:
                    yield LogLines(lines=[_log_line(each) for each in some.lines], is_end=some.is_end)
        finally:
            call.cancel()

    async def read(self, execution: UUID, output: str, *, timeout_s: float) -> bytes:
        """Return the bytes of an output."""
        method = self._method("unary_stream", "ReadOutput", pb.OutputRequest, pb.OutputChunk)
        async with self._failures():
            call = method(pb.OutputRequest(execution_id=str(execution), name=output), timeout=timeout_s)
            return b"".join([chunk.data async for chunk in call])

    async def preview(self, request: PreviewRequest, *, timeout_s: float) -> Sequence[SamplePreview]:
        """Return what a step gives; images that the engine does not keep are sent first."""
        async with self._failures(), asyncio.timeout(timeout_s):
            try:
                return await self._preview(request)
            except grpc.aio.AioRpcError as error:
                images = tuple(request.images())
                if not images or not isinstance(_error(self.name, error), errors.SampleForgotten):
                    raise
            keep = self._preview_method("stream_unary", "KeepSample", preview_pb.SampleChunk, preview_pb.KeptSample)
            for image in images:
                await keep(preview_messages.chunks(image))
            return await self._preview(request)

    async def stream(
        self, request: StartRequest, frames: AsyncIterator[tuple[int, bytes]], *, timeout_s: float
    ) -> AsyncGenerator[ProcessedFrame | UUID]:
        """Yield the execution's id, then the result of each frame that is processed."""
        method = _method_of(
            next(self._next),
            VIDEO_SERVICE,
            "stream_stream",
            "ProcessVideoStream",
            video_pb.VideoFrame,
            video_pb.ProcessedFrame,
        )
        sending = _Sending(stream_messages.messages(request, frames))
        call = method(sending.messages(), timeout=timeout_s)
        try:
            async with self._failures():
                async for message in call:
                    if message.HasField("frame"):
                        yield stream_messages.processed(message)
                    elif message.HasField("error"):
                        raise failure(message.error.code, message.error.message, otherwise=errors.ImageFlowError)
                    else:
                        yield UUID(message.execution_id)
        except asyncio.CancelledError:
            if sending.error is not None:
                raise sending.error from None
            raise
        finally:
            call.cancel()

    async def _preview(self, request: PreviewRequest) -> Sequence[SamplePreview]:
        method = self._preview_method("unary_stream", "Preview", preview_pb.PreviewRequest, preview_pb.PreviewPart)
        results, data = preview_pb.SampleResults(), bytearray()
        async for part in method(preview_messages.message(request)):
            if part.HasField("results"):
                results = part.results
            else:
                data += part.data
        return preview_messages.previews(results, bytes(data))

    def _preview_method(self, kind: str, name: str, request: Any, answer: Any) -> Any:
        # One channel leads to one engine, which keeps samples and results of steps.
        return _method_of(self._channels[0], PREVIEW_SERVICE, kind, name, request, answer)

    async def close(self) -> None:
        """Close all connections."""
        for channel in self._channels:
            await channel.close()

    async def _start_in_chunks(self, request: StartRequest, timeout_s: float, metadata: Any) -> Execution:
        """Return the execution as it was accepted: waiting for its end, the stream would hold a place of the server."""
        if request.spec is not None or len(request.images) != 1:
            raise errors.InvalidInput(
                f"Over gRPC, several images or a spec have at most {MOST_MESSAGE_BYTES:,} bytes together: publish the "
                "pipeline, or use REST."
            )
        method = self._method("stream_stream", "ProcessImageStream", pb.ImageChunk, pb.ProcessingResult)
        async with self._failures():
            call = method(_chunks(request), timeout=timeout_s, metadata=metadata)
            try:
                result = await call.read()
                if result is grpc.aio.EOF:
                    raise errors.Unavailable(f"{self.name} ended the stream without a result: send it again.")
                if not result.execution_id:
                    raise failure(result.error.code, result.error.message, otherwise=errors.ImageFlowError)
            finally:
                call.cancel()
        return _execution(pb.ProcessingResponse(result=result))

    async def _ask(self, name: str, execution: UUID, timeout_s: float) -> Execution:
        method = self._method("unary_unary", name, pb.ExecutionRequest, pb.ProcessingResponse)
        async with self._failures():
            return _execution(await method(pb.ExecutionRequest(execution_id=str(execution)), timeout=timeout_s))

    def _method(self, kind: str, name: str, request: Any, answer: Any) -> Any:
        return _method_of(next(self._next), SERVICE, kind, name, request, answer)

    @asynccontextmanager
    async def _failures(self) -> AsyncIterator[None]:
        try:
            yield
        except grpc.aio.AioRpcError as error:
            raise _error(self.name, error) from error
        except TimeoutError:
            raise errors.Timeout(f"{self.name} did not answer in time: see whether it runs.") from None


class _Sending:
    """Messages of a call, and the error that ended them: gRPC itself would only cancel the call."""

    def __init__(self, messages: AsyncIterator[Any]) -> None:
        self._messages = messages
        self.error: Exception | None = None

    async def messages(self) -> AsyncIterator[Any]:
        try:
            async for message in self._messages:
                yield message
        except Exception as error:
            self.error = error
            raise


def _method_of(channel: Any, service: str, kind: str, name: str, request: Any, answer: Any) -> Any:
    return getattr(channel, kind)(
        f"/{service}/{name}", request_serializer=request.SerializeToString, response_deserializer=answer.FromString
    )


def _channel(address: str, *, is_secure: bool) -> Any:
    if is_secure:
        return grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(), options=_OPTIONS)
    return grpc.aio.insecure_channel(address, options=_OPTIONS)


def _error(name: str, error: "grpc.aio.AioRpcError") -> errors.ImageFlowError:
    otherwise = _OF_CODE.get(error.code(), errors.ImageFlowError)
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_DETAILS and (details := _details(value)) is not None:
            return failure(details.code, details.message, otherwise=otherwise)
    return otherwise(f"{name}: {error.details() or error.code().name}.")


def _details(value: bytes) -> pb.ErrorDetails | None:
    details = pb.ErrorDetails()
    try:
        found = pb.Status.FromString(value)
        return details if any(each.Unpack(details) for each in found.details) else None
    except DecodeError:  # of a proxy on the way
        return None


def _image_request(request: StartRequest, wait_s: float) -> pb.ImageRequest:
    return pb.ImageRequest(
        correlation_id=request.correlation,
        metadata=metadata_of(request),
        images=request.images,
        spec_json="" if request.spec is None else json.dumps(request.spec),
        wait_s=max(0.0, wait_s),
    )


def _chunks(request: StartRequest) -> Iterator[pb.ImageChunk]:
    (data,) = request.images.values()
    count = -(-len(data) // CHUNK_BYTES)
    for index in range(count):
        yield pb.ImageChunk(
            correlation_id=request.correlation,
            image_data=data[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES],
            chunk_index=index,
            total_chunks=count,
            is_final_chunk=index == count - 1,
            metadata=metadata_of(request) if index == 0 else None,
        )


def _execution(response: pb.ProcessingResponse) -> Execution:
    result = response.result
    has_estimate = result.HasField("estimated_completion_time")
    return Execution(
        id=UUID(result.execution_id),
        state=_STATES[result.state],
        pipeline=result.pipeline,
        correlation_id=result.correlation_id,
        attempt=result.attempt,
        outputs={each.name: output_of(each) for each in result.outputs} | dict.fromkeys(result.absent_outputs),
        steps=[_step(each) for each in response.steps],
        error=problem_of(result.error) if result.HasField("error") else None,
        estimated_end_at=None if not has_estimate else result.estimated_completion_time.ToDatetime(tzinfo=UTC),
        frames=_frames(result.frames) if result.HasField("frames") else None,
    )


def _frames(counts: pb.FrameCounts) -> Frames:
    return Frames(processed=counts.processed, dropped=counts.dropped, failed=counts.failed)


def _step(step: pb.StepResult) -> Step:
    used = {field.name: value for field, value in step.resources.ListFields()}
    return Step(
        step=step.step,
        status=step.status,
        seconds=step.seconds,
        tries=step.tries,
        error=step.error,
        resources=ResourceUse.of(used),
    )


def _log_line(line: pb.LogLine) -> LogLine:
    return LogLine(
        cursor=line.cursor, step=line.step, at=line.at.ToDatetime(tzinfo=UTC), level=line.level, text=line.text
    )


def _change(event: pb.ExecutionEvent) -> Change:
    match event.WhichOneof("event"):
        case "snapshot":
            found = _execution(event.snapshot)
            return Change(
                cursor=event.cursor,
                state=found.state,
                steps=found.steps,
                attempt=found.attempt,
                is_snapshot=True,
                error=found.error,
            )
        case "state":
            change = event.state
            problem = problem_of(change.error) if change.HasField("error") else None
            return Change(cursor=event.cursor, state=_STATES[change.state], attempt=change.attempt, error=problem)
        case _:
            return Change(cursor=event.cursor, steps=(_step(event.step.step),), attempt=event.step.attempt)
