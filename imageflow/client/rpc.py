"""Executions over gRPC."""

import itertools
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Any
from uuid import UUID

import grpc
from google.protobuf.message import DecodeError

from imageflow.client.failures import failure
from imageflow.client.request import StartRequest
from imageflow.client.values import Change, Execution, LogLine, LogLines, Output, Problem, Step
from imageflow.v1 import image_processing_pb2 as pb
from imageflow.v1.limits import CHUNK_BYTES, KEY, MOST_MESSAGE_BYTES, PINGS_S, SERVICE, STATUS_DETAILS
from imageflow_domain import errors
from imageflow_domain.executions import ExecutionState, Priority
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

_PRIORITIES = {Priority.LOW: pb.LOW, Priority.NORMAL: pb.NORMAL, Priority.HIGH: pb.HIGH}
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
        return getattr(next(self._next), kind)(
            f"/{SERVICE}/{name}", request_serializer=request.SerializeToString, response_deserializer=answer.FromString
        )

    @asynccontextmanager
    async def _failures(self) -> AsyncIterator[None]:
        try:
            yield
        except grpc.aio.AioRpcError as error:
            raise _error(self.name, error) from error


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


def _metadata(request: StartRequest) -> pb.ImageMetadata:
    config = pb.PipelineConfig(
        pipeline_id=request.pipeline or "",
        parameters=request.parameters,
        priority=_PRIORITIES[request.priority],
    )
    return pb.ImageMetadata(client_id=request.client_id, pipeline_config=config)


def _image_request(request: StartRequest, wait_s: float) -> pb.ImageRequest:
    return pb.ImageRequest(
        correlation_id=request.correlation,
        metadata=_metadata(request),
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
            metadata=_metadata(request) if index == 0 else None,
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
        outputs={each.name: _output(each) for each in result.outputs} | dict.fromkeys(result.absent_outputs),
        steps=[_step(each) for each in response.steps],
        error=_problem(result.error) if result.HasField("error") else None,
        estimated_end_at=None if not has_estimate else result.estimated_completion_time.ToDatetime(tzinfo=UTC),
    )


def _output(output: pb.OutputFile) -> Output:
    return Output(
        name=output.name,
        sha256=output.sha256,
        size=output.size,
        media_type=output.media_type,
        kind=output.kind,
        data=output.data,
    )


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


def _problem(error: pb.ErrorDetails) -> Problem:
    return Problem(code=error.code, message=error.message, step=error.metadata.get("failed_step", ""))


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
            problem = _problem(change.error) if change.HasField("error") else None
            return Change(cursor=event.cursor, state=_STATES[change.state], attempt=change.attempt, error=problem)
        case _:
            return Change(cursor=event.cursor, steps=(_step(event.step.step),), attempt=event.step.attempt)
