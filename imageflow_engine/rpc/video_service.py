"""The method of `VideoService`: the frames of a camera as one execution, in which the newest frame wins."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace
from functools import partial

from anyio import CapacityLimiter, to_thread

from imageflow.v1 import video_pb2 as pb
from imageflow.v1.image_processing_pb2 import ErrorDetails, OutputFile
from imageflow_domain.errors import (
    Cancelled,
    DatabaseUnavailable,
    ImageFlowError,
    InvalidInput,
    Timeout,
    TooLarge,
    Unavailable,
)
from imageflow_domain.executions import ExecutionState
from imageflow_edge.places import placed
from imageflow_engine.rpc import status
from imageflow_engine.rpc.call import Call, Method
from imageflow_engine.rpc.newest_frame import Frame, NewestFrame
from imageflow_engine.rpc.requests import start_request
from imageflow_engine.rpc.stoppable import on_thread
from imageflow_executions.streams import FrameResult, Stream, Streams

_LOG = logging.getLogger(__name__)

_FULL = "{} camera streams go on here already: use another engine, or try later."
_IDLE_S = 60.0
"""How long a client may send no frame."""

_BEAT_S = 1.0
"""How often a stream's frame counts are written, and its cancellation is read."""

_SAY_WITHIN_S = 1.0

_INLINE_BYTES = 3 * 2**20
"""Of all outputs of a frame."""


class VideoService:
    """The service of one engine. Belongs to one event loop.

    Args:
        streams: Begins streams.
        places: Those of camera streams; more streams are refused.
    """

    def __init__(self, streams: Streams, places: CapacityLimiter) -> None:
        self._streams = streams
        self._places = places
        self._stopping = asyncio.Event()

    def methods(self) -> tuple[Method, ...]:
        """Return every method of the service."""
        return (Method(name="ProcessVideoStream", answer=self.process_video_stream, is_write=True),)

    def stop(self) -> None:
        """End all streams: their engine stops."""
        self._stopping.set()

    async def process_video_stream(self, call: Call) -> None:
        """Process the newest frame of a stream again and again, and send its results."""
        try:
            await self._process(call)
        except ImageFlowError as error:
            await _say(call, error)
            raise

    async def _process(self, call: Call) -> None:
        with placed(self._places, _FULL):
            first = await call.only(pb.VideoFrame)
            if not first.HasField("config"):
                raise InvalidInput("The first message of a stream has its config: send it.")
            config = first.config
            asked = start_request(
                config.metadata, correlation=config.correlation_id, key=None, spec_json=config.spec_json
            )
            stream = await to_thread.run_sync(self._streams.begin, asked, call.principal)
            await _Session(call, stream, self._stopping).run(first)


class _Session:
    """One stream, from its first message to its end."""

    def __init__(self, call: Call, stream: Stream, stopping: asyncio.Event) -> None:
        self._call = call
        self._stream = stream
        self._stopping = stopping
        self._newest = NewestFrame()

    async def run(self, first: pb.VideoFrame) -> None:
        """Process frames until no more come; the execution is ended in any case."""
        state, why = ExecutionState.CANCELLED, None
        try:
            await self._call.send(pb.ProcessedFrame(execution_id=self._stream.id))
            await self._process_all(first)
            state = ExecutionState.COMPLETED
        except Cancelled:
            raise
        except ImageFlowError as error:
            state, why = ExecutionState.FAILED, error
            raise
        except Exception:
            state, why = ExecutionState.FAILED, ImageFlowError("Something unexpected went wrong: see the engine's log.")
            raise
        finally:
            await self._end(state, why)

    async def _process_all(self, first: pb.VideoFrame) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [
                    group.create_task(each) for each in (self._read(first), self._beat(), self._end_with_engine())
                ]
                while (frame := await self._newest.take()) is not None:
                    await self._process(frame)
                for helper in helpers:
                    helper.cancel()
        except BaseExceptionGroup as group_error:
            raise group_error.exceptions[0] from None

    async def _read(self, first: pb.VideoFrame) -> None:
        self._take(first)
        is_over = first.is_last
        while not is_over:
            message = await self._call.receive(pb.VideoFrame, within_s=_IDLE_S)
            # A connection that is lost looks like the end of the messages before it is known to be lost.
            if message is None:
                raise Cancelled("The stream ended without a message that is the last one: its client is gone.")
            if message.HasField("config"):
                raise InvalidInput("Only the first message of a stream has a config: start another stream for it.")
            self._take(message)
            is_over = message.is_last
        self._newest.close()

    def _take(self, message: pb.VideoFrame) -> None:
        if message.image_data and self._newest.put(message.frame, message.image_data):
            self._stream.counts = replace(self._stream.counts, dropped=self._stream.counts.dropped + 1)

    async def _process(self, frame: Frame) -> None:
        result = await on_thread(partial(self._stream.process, frame.data), self._stream.stop)
        counts = self._stream.counts
        if result.error is None:
            self._stream.counts = replace(counts, processed=counts.processed + 1)
        else:
            self._stream.counts = replace(counts, failed=counts.failed + 1)
        await self._call.send(_message(self._stream.id, frame, result))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_S)
            try:
                await to_thread.run_sync(self._stream.beat, self._stream.counts)
            except DatabaseUnavailable as error:
                _LOG.warning("the lease of a stream cannot be renewed: %s", error)

    async def _end_with_engine(self) -> None:
        await self._stopping.wait()
        raise Unavailable("This engine stops: start another stream.")

    async def _end(self, state: ExecutionState, why: ImageFlowError | None) -> None:
        ending = asyncio.ensure_future(to_thread.run_sync(self._stream.end, state, self._stream.counts, why))
        try:
            await asyncio.shield(ending)
        except DatabaseUnavailable as error:
            _LOG.warning("stream %s ends with its lease: %s", self._stream.id, error)


async def _say(call: Call, why: ImageFlowError) -> None:
    """Send why a stream ends, in a message of its own: a client that is writing may not see the call's status."""
    with suppress(TimeoutError, Timeout, Cancelled):  # it does not read, or has left
        async with asyncio.timeout(_SAY_WITHIN_S):
            await call.send(pb.ProcessedFrame(error=status.details_of(why)))


def _message(execution: str, frame: Frame, result: FrameResult) -> pb.ProcessedFrame:
    made = pb.ProcessedFrame(
        execution_id=execution,
        frame=frame.number,
        seconds=result.seconds,
        dropped=frame.dropped,
        dropped_frames=frame.dropped_numbers,
    )
    files = {name: file for name, file in result.outputs.items() if file is not None}
    size = sum(len(file.data) for file in files.values())
    if result.error is not None:
        made.error.CopyFrom(status.failure(result.error, {}))
    elif size > _INLINE_BYTES:
        made.error.CopyFrom(_too_large(size))
    else:
        made.absent_outputs.extend(name for name, file in result.outputs.items() if file is None)
        made.outputs.extend(
            OutputFile(
                name=name,
                sha256=file.sha256,
                size=len(file.data),
                media_type=file.media_type,
                kind=file.kind,
                data=file.data,
            )
            for name, file in files.items()
        )
    return made


def _too_large(size: int) -> ErrorDetails:
    return status.details_of(
        TooLarge(
            f"The outputs of a frame have {size:,} bytes, more than {_INLINE_BYTES:,}: encode its images, or give the "
            "pipeline fewer outputs."
        )
    )
