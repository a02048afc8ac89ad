"""The methods of `ImageProcessingService`, over the use cases of executions."""

import asyncio
import logging
import math
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

from anyio import to_thread

from imageflow.v1 import image_processing_pb2 as pb
from imageflow.v1.limits import CHUNK_BYTES, IMAGE
from imageflow_clients.stores import Stores
from imageflow_domain.errors import ImageFlowError, InvalidInput, Timeout, Unavailable
from imageflow_domain.events import BEGINNING, EventCursor
from imageflow_domain.execution_events import subject_of
from imageflow_domain.execution_logs import BEGINNING_OF_LOG, LogCursor
from imageflow_domain.executions import ExecutionRecord, ExecutionState, parse_id
from imageflow_domain.idempotency import image_key
from imageflow_edge.changes import changes
from imageflow_edge.execution_ends import ExecutionEnds
from imageflow_edge.hub import Hub
from imageflow_edge.log_tail import log_tail
from imageflow_edge.places import placed
from imageflow_engine.place import OwnPlace
from imageflow_engine.rpc import messages, status
from imageflow_engine.rpc.assembly import Assembly, ImageRefused, Whole
from imageflow_engine.rpc.call import MESSAGE_WITHIN_S, Call, Method
from imageflow_engine.rpc.capacity import Capacity
from imageflow_engine.rpc.requests import images_of, start_request
from imageflow_executions.execute import Executed
from imageflow_executions.history import ExecutionInFull, cancel_execution, get_execution
from imageflow_executions.image_objects import find_object, read_object
from imageflow_executions.logs import LogPage, read_log
from imageflow_executions.start import StartRequest, start_execution

_LOG = logging.getLogger(__name__)

_WAIT_S = 60.0
_MARGIN_S = 0.3
"""An answer leaves so long before the client's deadline."""

_INLINE_BYTES = 3 * 2**20
"""Of all outputs that a result may have in it."""

_IDLE_S = 600.0
"""How long a stream may send nothing where no image is incomplete."""

_READ_WITHIN_S = 120.0
"""How long a client may take to read an output: its bytes are in memory meanwhile."""

_BEAT_S = 60.0
_FULL = "{} clients follow executions here already: call GetExecution, or try later."
_LINES = 200
"""Of a log in one message."""

_P = ParamSpec("_P")
_Value = TypeVar("_Value")


Places = Callable[[], AbstractContextManager[OwnPlace | None]]
"""Gives a place in an engine; `None` where none is free."""


@dataclass(frozen=True, kw_only=True)
class _Started:
    """An execution that was accepted."""

    record: ExecutionRecord
    ended: Future[Executed | None] | None
    """As this engine ended it; no future where it waits, or where another call began it."""


class ImageProcessing:
    """The service of one engine. Belongs to one event loop.

    Args:
        stores: Where rows and objects are.
        hub: Hands out events.
        ends: Wakes calls that wait for an execution which this engine does not have.
        capacity: How much is done at once.
        most_image_bytes: Of one image that is sent in chunks.
        place: Gives a place in the engine for an execution that begins at once.
    """

    def __init__(
        self,
        stores: Stores,
        hub: Hub,
        ends: ExecutionEnds,
        capacity: Capacity,
        *,
        most_image_bytes: int,
        place: Places,
    ) -> None:
        self._stores = stores
        self._hub = hub
        self._ends = ends
        self._most_image_bytes = most_image_bytes
        self._capacity = capacity
        self._place = place

    def methods(self) -> tuple[Method, ...]:
        """Return every method of the service."""
        write = partial(Method, is_write=True)
        read = partial(Method, is_write=False)
        return (
            write(name="ProcessImageStream", answer=self.process_image_stream),
            write(name="ProcessSingleImage", answer=self.process_single_image),
            read(name="GetExecution", answer=self.get_execution),
            read(name="WatchExecution", answer=self.watch_execution),
            read(name="ReadLog", answer=self.read_log),
            write(name="CancelExecution", answer=self.cancel_execution),
            read(name="ReadOutput", answer=self.read_output),
        )

    async def process_image_stream(self, call: Call) -> None:
        """Start an execution for each image of a stream; send a result when it is accepted, and when it has ended."""
        assembly = Assembly(
            self._stores.scratch,
            most_bytes=self._most_image_bytes,
            most_open=self._capacity.incomplete_of_a_stream,
            most_images=self._capacity.images_of_a_stream,
        )
        places = asyncio.Semaphore(self._capacity.executed_of_a_stream)

        async def answer(whole: Whole) -> None:
            try:
                async with aclosing(self._results(call, whole)) as results:
                    async for result in results:
                        await call.send(result)
            finally:
                places.release()

        try:
            async with asyncio.TaskGroup() as answering:
                async for image in _images(call, assembly):
                    if isinstance(image, ImageRefused):
                        await call.send(_refusal(image.correlation, status.details_of(image.why)))
                    else:
                        await places.acquire()
                        answering.create_task(answer(image))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            assembly.close()

    async def process_single_image(self, call: Call) -> None:
        """Start an execution on one image, and wait for its end."""
        request = await call.only(pb.ImageRequest)
        wait_s = _checked_wait(request)
        asked = start_request(
            request.metadata, correlation=request.correlation_id, key=call.key, spec_json=request.spec_json
        )
        started = await self._start(call, asked, lambda: images_of(request))
        ended = None
        if not started.record.state.is_end:
            ended = await self._ends_within(started, wait_s, call.left_s)
        found = ended or await self._full(started.record.id)
        outputs = await self._outputs(found.record, {} if ended is None else ended.outputs)
        await call.send(messages.response(found, outputs))

    async def get_execution(self, call: Call) -> None:
        """Send an execution as it is."""
        request = await call.only(pb.ExecutionRequest)
        await call.send(messages.response(await self._full(parse_id(request.execution_id))))

    async def cancel_execution(self, call: Call) -> None:
        """Cancel an execution, and send it as it is then."""
        request = await call.only(pb.ExecutionRequest)
        record = await self._use(cancel_execution, parse_id(request.execution_id))
        await call.send(messages.response(await self._full(record.id)))

    async def watch_execution(self, call: Call) -> None:
        """Send every change of an execution."""
        request = await call.only(pb.WatchRequest)
        execution, seen = parse_id(request.execution_id), _cursor(request.after)
        with placed(self._capacity.watchers, _FULL):
            found = await self._full(execution)
            if seen is not None and found.is_end and seen >= found.cursor:
                return
            read = partial(self._full, execution)
            begin = found if seen is None else seen
            following = changes(self._hub, subject_of(execution), read, begin=begin, beat_s=_BEAT_S)
            async with aclosing(following):
                async for one in following:
                    if one is not None:
                        await call.send(messages.event(one))

    async def read_log(self, call: Call) -> None:
        """Send log lines, and those that come where they are awaited."""
        request = await call.only(pb.LogRequest)
        execution, after = parse_id(request.execution_id), _log_cursor(request.after)
        with placed(self._capacity.watchers, _FULL):
            read = partial(self._log, execution)
            pages = log_tail(self._hub, execution, read, after=after, beat_s=_BEAT_S)
            async with aclosing(pages if request.follow else _to_the_end(read, after)) as following:
                async for page in following:
                    if page is not None:
                        await call.send(messages.log_lines(page))

    def _log(self, execution: uuid.UUID, after: LogCursor) -> Coroutine[Any, Any, LogPage]:
        return self._use(read_log, execution, after=after, limit=_LINES)

    async def read_output(self, call: Call) -> None:
        """Send the bytes of an output."""
        request = await call.only(pb.OutputRequest)
        found = await self._full(parse_id(request.execution_id))
        stored = find_object(found.record.outputs, request.name, "output")
        try:
            async with asyncio.timeout(_READ_WITHIN_S), self._capacity.outputs:
                data = await self._use(read_object, stored)
                for begin in range(0, len(data), CHUNK_BYTES):
                    await call.send(pb.OutputChunk(data=data[begin : begin + CHUNK_BYTES]))
        except TimeoutError:
            raise Timeout(
                f"The output was not sent within {_READ_WITHIN_S:.0f} s: read it again, or in ranges over REST."
            ) from None

    async def _results(self, call: Call, whole: Whole) -> AsyncGenerator[pb.ProcessingResult]:
        """Yield what the client gets for one image of a stream; an error of the image is its last result."""
        execution = ""
        try:
            started = await self._started(call, whole)
            execution = str(started.record.id)
            yield messages.result(started.record)
            ended, made = await self._ended(started)
            yield messages.result(ended, await self._outputs(ended, made))
        except ImageFlowError as error:
            yield _refusal(whole.correlation, status.details_of(error), execution)
        except Exception:  # noqa: BLE001 - logged in full; the other images of the stream go on
            call_id = uuid.uuid4().hex
            _LOG.exception("unexpected error", extra={"fields": {"request_id": call_id}})
            yield _refusal(whole.correlation, status.unexpected(call_id), execution)

    async def _started(self, call: Call, whole: Whole) -> _Started:
        try:
            asked = start_request(
                whole.metadata, correlation=whole.correlation, key=call.key and image_key(call.key, whole.correlation)
            )
            return await self._start(call, asked, lambda: {IMAGE: whole.data()})
        finally:
            whole.close()

    async def _start(self, call: Call, asked: StartRequest, images: Callable[[], Mapping[str, bytes]]) -> _Started:
        def begin() -> _Started:
            with self._place() as place:
                record = start_execution(self._stores, asked, images(), call.principal, place=place)
                return _Started(record=record, ended=None if place is None else place.ended)

        return await to_thread.run_sync(begin, limiter=self._capacity.images)

    async def _ended(self, started: _Started) -> tuple[ExecutionRecord, Mapping[str, bytes]]:
        """Return an execution once it has ended, and the outputs that this engine has made for it.

        Raises `Unavailable` where this process stops before.
        """
        record, read = started.record, partial(self._full, started.record.id)
        if started.ended is not None:
            executed = await _result(started.ended)
            if executed is not None:
                return executed.record, executed.outputs
        async with aclosing(
            changes(self._hub, subject_of(record.id), read, begin=BEGINNING, beat_s=_BEAT_S)
        ) as following:
            async for _ in following:
                pass
        found = await read()
        if not found.is_end:
            raise Unavailable("This engine stops, and the execution goes on elsewhere: ask another engine for it.")
        return found.record, {}

    async def _ends_within(self, started: _Started, wait_s: float, left_s: float | None) -> Executed | None:
        """Wait for the end of an execution; return it where this engine ended it in time."""
        within_s = min(wait_s, math.inf if left_s is None else left_s - _MARGIN_S)
        if started.ended is not None:
            return await _result(started.ended, max(0.0, within_s))
        await self._ends.within(started.record.id, within_s)
        return None

    async def _outputs(self, record: ExecutionRecord, made: Mapping[str, bytes]) -> Mapping[str, bytes] | None:
        """Return the bytes of the outputs of a completed execution; `None` where they are too large for a message.

        Args:
            record: The execution.
            made: Its outputs where this engine has just stored them; others are read.
        """
        stored = {name: each for name, each in record.outputs.items() if each is not None}
        if record.state is not ExecutionState.COMPLETED or sum(each.size for each in stored.values()) > _INLINE_BYTES:
            return None
        return made or {name: await self._use(read_object, each) for name, each in stored.items()}

    async def _full(self, execution: uuid.UUID) -> ExecutionInFull:
        return await self._use(get_execution, execution)

    def _use(
        self,
        use_case: Callable[Concatenate[Stores, _P], _Value],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> Coroutine[Any, Any, _Value]:
        """Call a use case on a thread."""
        return to_thread.run_sync(partial(use_case, self._stores, *args, **kwargs), limiter=self._capacity.reads)


async def _images(call: Call, assembly: Assembly) -> AsyncIterator[Whole | ImageRefused]:
    """Yield the images of a stream as they become complete, and those that never do."""
    while True:
        chunk = await call.receive(pb.ImageChunk, within_s=MESSAGE_WITHIN_S if assembly.is_waiting else _IDLE_S)
        if chunk is None:
            break
        try:
            whole = await to_thread.run_sync(assembly.take, chunk)
        except ImageRefused as error:
            yield error
        else:
            if whole is not None:
                yield whole
    for refused in assembly.end():
        yield refused


async def _result(ended: Future[Executed | None], timeout_s: float | None = None) -> Executed | None:
    """Return what an engine ended; `None` where it did not in time. A call that is cancelled cancels no execution."""
    done, _ = await asyncio.wait({asyncio.wrap_future(ended)}, timeout=timeout_s)
    return next(iter(done)).result() if done else None


def _checked_wait(request: pb.ImageRequest) -> float:
    if not request.HasField("wait_s"):
        return _WAIT_S
    if not 0 <= request.wait_s <= _WAIT_S:
        raise InvalidInput(f"'wait_s' is 0 to {_WAIT_S:.0f} seconds.")
    return request.wait_s


def _cursor(text: str) -> EventCursor | None:
    if not text:
        return None
    found = EventCursor.parse(text)
    if found is None:
        raise InvalidInput(f"'{text[:80]}' is no cursor of an event: send that of the last event that you have.")
    return found


async def _to_the_end(read: Callable[[LogCursor], Awaitable[LogPage]], after: LogCursor) -> AsyncGenerator[LogPage]:
    """Yield the lines that are there."""
    has_more = True
    while has_more:
        page = await read(after)
        yield page
        has_more = page.has_more
        after = page.lines[-1].cursor if page.lines else after


def _log_cursor(text: str) -> LogCursor:
    found = LogCursor.parse(text) if text else BEGINNING_OF_LOG
    if found is None:
        raise InvalidInput(f"'{text[:80]}' is no cursor of a line: send that of the last line that you have.")
    return found


def _refusal(correlation: str, why: pb.ErrorDetails, execution: str = "") -> pb.ProcessingResult:
    return pb.ProcessingResult(correlation_id=correlation, execution_id=execution, error=why)
