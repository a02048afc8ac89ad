"""The WebSocket of executions: start, send images, follow any number of executions, cancel."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import aclosing, closing
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from anyio import to_thread
from fastapi import APIRouter, WebSocket
from pydantic import BaseModel, ValidationError
from starlette.websockets import WebSocketDisconnect

from imageflow_domain.access import Principal
from imageflow_domain.errors import Conflict, ImageFlowError, InvalidInput, Timeout, TooManyRequests
from imageflow_domain.events import BEGINNING, EventCursor
from imageflow_domain.execution_events import subject_of
from imageflow_domain.execution_logs import BEGINNING_OF_LOG, LogCursor
from imageflow_domain.executions import ExecutionRecord, Priority
from imageflow_edge.changes import changes
from imageflow_edge.error_table import answer_for
from imageflow_edge.log_tail import log_tail
from imageflow_edge.places import placed
from imageflow_executions import history, logs, start
from imageflow_executions.history import ExecutionInFull
from imageflow_executions.logs import LogPage
from imageflow_executions.start import StartRequest
from imageflow_gateway.errors import UNEXPECTED, details_of, unexpected_message
from imageflow_gateway.live.execution_progress import ProgressOf
from imageflow_gateway.live.live_gateway import LiveGateway
from imageflow_gateway.live.socket_images import ArrivingImages
from imageflow_gateway.live.socket_messages import (
    CLIENT_MESSAGES,
    Accepted,
    AnyClientMessage,
    Cancel,
    Cancelling,
    EndStream,
    ExecutionLogs,
    Preview,
    SocketError,
    SocketProblem,
    Start,
    Stream,
    Subscribe,
    SubscribeLogs,
    Unsubscribe,
    UnsubscribeLogs,
)
from imageflow_gateway.live.socket_previews import SocketPreviews
from imageflow_gateway.live.socket_stream import SocketStream
from imageflow_gateway.log_lines import LogLineEntry

PREFIX: Final = "/api/v1/ws"

_MOST_TEXT_BYTES = 4_000_000
_MESSAGES_A_MINUTE = 100
"""Of control messages; frames of images are not counted."""

_FRAME_WITHIN_S = 30.0
"""A start whose images do not arrive holds a place."""

_IDLE_S = 300.0
"""How long a connection may follow nothing and send nothing."""

_LOOK_S = 5.0
"""How often these two are checked."""

_READ_WITHIN_S = 30.0
"""How long a client may not read a message."""

_BEAT_S = 30.0
"""Progress is sent so often without a change: proxies end quiet connections, and a client that is gone is noticed."""

_LINES = 200
"""Log lines of a message, at most."""

_FULL = "{} executions are followed here already: ask for the execution itself, or follow it later."
_Followed = tuple[type[Subscribe | SubscribeLogs], UUID]
"""What a task sends, and of which execution."""

_LOG = logging.getLogger(__name__)

router = APIRouter()


@router.websocket(PREFIX)
async def open_socket(socket: WebSocket) -> None:
    """Serve one client until it leaves."""
    gateway: LiveGateway = socket.app.state.gateway
    if not gateway.capacity.sockets.available_tokens:
        error = TooManyRequests("As many clients are connected as may be: try again later.")
        await socket.close(answer_for(error).close, str(error))
        return
    async with gateway.capacity.sockets:
        await socket.accept()
        await _Session(socket, gateway).run()


class _Session:
    """One connection."""

    def __init__(self, socket: WebSocket, gateway: LiveGateway) -> None:
        self._socket = socket
        self._gateway = gateway
        self._principal: Principal = socket.state.principal
        self._sending = asyncio.Lock()
        self._followed: dict[_Followed, asyncio.Task[None]] = {}
        self._arriving: ArrivingImages[Start | Preview] | None = None
        self._previews = SocketPreviews(gateway, self._send, self._refuse)
        self._stream: SocketStream | None = None
        self._said: deque[float] = deque(maxlen=_MESSAGES_A_MINUTE)
        self._quiet_since_s = time.monotonic()
        self._is_lost = False
        """Whether the client does not read."""

    async def run(self) -> None:
        try:
            while (message := await self._next())["type"] != "websocket.disconnect":
                await self._take(message.get("text"), message.get("bytes"))
        except Timeout as late:
            self._leave_all()
            await self._socket.close(answer_for(late).close, str(late))
        except WebSocketDisconnect:
            return
        finally:
            self._forget()
            self._previews.end()
            if self._stream is not None:
                self._stream.end()
            self._leave_all()

    async def _next(self) -> Mapping[str, Any]:
        """Return the next message; raise `Timeout` where none comes in time, `WebSocketDisconnect` where it is lost."""
        self._quiet_since_s = time.monotonic()
        receiving = asyncio.ensure_future(self._socket.receive())
        try:
            while not receiving.done():
                self._check_patience()
                await asyncio.wait({receiving}, timeout=_LOOK_S)
            return receiving.result()
        finally:
            receiving.cancel()

    def _check_patience(self) -> None:
        quiet_s = time.monotonic() - self._quiet_since_s
        if self._is_lost:
            raise WebSocketDisconnect
        if self._arriving is not None and quiet_s > _FRAME_WITHIN_S:
            raise Timeout(f"No frame of an announced image came within {_FRAME_WITHIN_S:.0f} s: send it again.")
        if not self._followed and quiet_s > _IDLE_S:
            raise Timeout(f"Nothing was sent or followed for {_IDLE_S:.0f} s: connect again.")

    async def _take(self, text: str | None, frame: bytes | None) -> None:
        """Take one message; what is wrong with it is answered."""
        name = ""
        try:
            if text is None:
                name = self._frames_name()
                await self._take_frame(frame or b"")
                return
            message = self._read(text)
            name = message.id
            match message:
                case Start():
                    self._announce_start(message)
                case Preview():
                    await self._announce_preview(message)
                case Stream():
                    self._begin_stream(message)
                case EndStream():
                    await self._end_stream()
                case Subscribe():
                    await self._subscribe(message)
                case Unsubscribe():
                    self._leave((Subscribe, message.execution_id))
                case SubscribeLogs():
                    await self._subscribe_to_log(message)
                case UnsubscribeLogs():
                    self._leave((SubscribeLogs, message.execution_id))
                case Cancel():
                    await self._cancel(message)
        except ImageFlowError as error:
            await self._refuse(error, name)

    def _read(self, text: str) -> AnyClientMessage:
        now = time.monotonic()
        if len(self._said) == _MESSAGES_A_MINUTE and now - self._said[0] < 60:
            raise TooManyRequests(f"{_MESSAGES_A_MINUTE} messages a minute are taken: send this one later.")
        self._said.append(now)
        if len(text) > _MOST_TEXT_BYTES:
            raise InvalidInput(f"A message has at most {_MOST_TEXT_BYTES:,} bytes.")
        try:
            return CLIENT_MESSAGES.validate_json(text)
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:8])
            raise InvalidInput(f"The message is not right: {faults}. See /asyncapi.json.") from error

    def _announce_start(self, message: Start) -> None:
        names = [image.name for image in message.images]
        if len(set(names)) < len(names):
            raise InvalidInput("Two images have one name: name each after another input of the pipeline.")
        self._announce(message, [(image.name, image.size) for image in message.images])

    async def _announce_preview(self, message: Preview) -> None:
        announced = [(image.name, image.size) for image in message.images if image.size is not None]
        if announced:
            self._announce(message, announced)
        else:
            await self._previews.start(message, ())

    def _begin_stream(self, message: Stream) -> None:
        self._check_frames_are_free()
        self._stream = SocketStream(self._gateway, message, self._send, self._refuse)

    async def _end_stream(self) -> None:
        if self._stream is None or self._stream.is_over:
            raise InvalidInput("There is no stream to end: it has ended, or none was begun.")
        await self._stream.finish()

    def _frames_name(self) -> str:
        """Return the id of the message that binary frames belong to."""
        if self._stream is not None and not self._stream.is_over:
            return self._stream.id
        return self._arriving.message.id if self._arriving else ""

    def _check_frames_are_free(self) -> None:
        """Raise `Conflict` where the binary frames that come belong to another message."""
        if self._arriving is not None:
            raise Conflict(f"The images of '{self._arriving.message.id}' have not all come: send them first.")
        if self._stream is not None and not self._stream.is_over:
            raise Conflict(f"The stream '{self._stream.id}' takes all frames: end it first, or use another connection.")

    def _announce(self, message: Start | Preview, announced: Sequence[tuple[str, int]]) -> None:
        self._check_frames_are_free()
        most_bytes = self._gateway.settings.upload_limit_bytes
        self._arriving = ArrivingImages(message, announced, self._gateway.scratch, most_bytes=most_bytes)

    async def _take_frame(self, frame: bytes) -> None:
        arriving = self._arriving
        if self._stream is not None and arriving is None:
            await self._stream.take(frame)
            return
        if arriving is None:
            raise InvalidInput("A binary frame came without a message that announces it.")
        try:
            await to_thread.run_sync(arriving.take, frame)
            if arriving.is_whole:
                await self._begin(arriving)
        except ImageFlowError:
            self._forget()
            raise

    async def _begin(self, arriving: ArrivingImages[Start | Preview]) -> None:
        """Do what a message asks for, whose images are all there."""
        message = arriving.message
        if isinstance(message, Preview):
            sent = [data for _, data in await to_thread.run_sync(arriving.images)]
            self._forget()
            await self._previews.start(message, sent)
            return
        record = await self._start(message, arriving)
        self._forget()
        await self._send(
            Accepted(id=message.id, execution_id=record.id, estimated_completion_time=record.estimated_end_at)
        )
        self._follow((Subscribe, record.id), self._send_changes(record.id, None))

    def _forget(self) -> None:
        if self._arriving is not None:
            self._arriving.close()
            self._arriving = None

    async def _start(self, message: Start, arriving: ArrivingImages[Start | Preview]) -> ExecutionRecord:
        request = StartRequest(
            pipeline=message.pipeline,
            spec=message.spec,
            parameters=message.parameters,
            priority=Priority.parse(message.priority),
            client=message.client_id,
            correlation=message.correlation_id,
            key=message.key,
            protocol="websocket",
        )
        start_now = self._gateway.use(start.start_execution)
        return await to_thread.run_sync(
            lambda: start_now(request, dict(arriving.images()), self._principal),
            limiter=self._gateway.capacity.execution_images,
        )

    async def _subscribe(self, message: Subscribe) -> None:
        after = None if message.after is None else EventCursor.parse(message.after)
        if after is None and message.after is not None:
            raise InvalidInput(f"'{message.after[:80]}' is no cursor: send that of the last message that you have.")
        await self._full(message.execution_id)  # whether it is there
        self._follow((Subscribe, message.execution_id), self._send_changes(message.execution_id, after))

    async def _subscribe_to_log(self, message: SubscribeLogs) -> None:
        after = BEGINNING_OF_LOG if message.after is None else LogCursor.parse(message.after)
        if after is None:
            raise InvalidInput(f"'{message.after}' is no cursor of a line: send that of the last line that you have.")
        await self._full(message.execution_id)  # whether it is there
        self._follow((SubscribeLogs, message.execution_id), self._send_log(message.execution_id, after))

    async def _cancel(self, message: Cancel) -> None:
        cancel = self._gateway.use(history.cancel_execution)
        record = await to_thread.run_sync(cancel, message.execution_id)
        await self._send(Cancelling(id=message.id, execution_id=record.id))

    def _follow(self, followed: _Followed, sending: Coroutine[Any, Any, None]) -> None:
        self._leave(followed)
        most = self._gateway.capacity.followed_by_a_socket
        if len(self._followed) >= most:
            sending.close()
            raise TooManyRequests(f"A connection follows {most} executions at most: leave one first.")
        task = asyncio.create_task(self._report(followed[1], sending))
        self._followed[followed] = task
        task.add_done_callback(lambda done: self._ended(followed, done))

    def _leave_all(self) -> None:
        for followed in tuple(self._followed):
            self._leave(followed)

    def _leave(self, followed: _Followed) -> None:
        task = self._followed.pop(followed, None)
        if task is not None:
            task.cancel()

    def _ended(self, followed: _Followed, task: asyncio.Task[None]) -> None:
        if self._followed.get(followed) is task:
            del self._followed[followed]
            if not self._followed:
                self._quiet_since_s = time.monotonic()

    async def _report(self, execution: UUID, sending: Coroutine[Any, Any, None]) -> None:
        """Send what is followed, in a place of this process; an error of it is a message."""
        try:
            with closing(sending), placed(self._gateway.capacity.socket_followers, _FULL):
                await sending
        except WebSocketDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - logged in full; the connection and what else it follows go on
            await self._refuse(error, "", execution)

    async def _send_changes(self, execution: UUID, after: EventCursor | None) -> None:
        """Send how an execution stands after each change, and from time to time without one."""
        found = await self._full(execution)
        progress = ProgressOf(found.record)
        # Each message has all steps: a client that comes back gets them from the beginning of the log.
        begin = found if after is None else BEGINNING
        seen = after or BEGINNING
        read = partial(self._full, execution)
        following = changes(self._gateway.hub, subject_of(execution), read, begin=begin, beat_s=_BEAT_S)
        async with aclosing(following):
            async for one in following:
                if isinstance(one, ExecutionInFull):
                    await self._send(progress.at_snapshot(one))
                elif one is not None:
                    now = progress.after(one)
                    if one.cursor > seen:
                        await self._send(now)
                elif progress.cursor >= seen:
                    await self._send(progress.at(datetime.now(UTC)))

    async def _send_log(self, execution: UUID, after: LogCursor) -> None:
        """Send log lines as they come; without one, from time to time, a message with none."""
        read = partial(self._lines, execution)
        async with aclosing(log_tail(self._gateway.hub, execution, read, after=after, beat_s=_BEAT_S)) as following:
            async for page in following:
                lines = () if page is None else page.lines
                entries = [LogLineEntry.of(line) for line in lines]
                is_end = page is not None and page.is_end
                await self._send(ExecutionLogs(execution_id=execution, lines=entries, is_end=is_end))

    async def _lines(self, execution: UUID, after: LogCursor) -> LogPage:
        read = partial(self._gateway.use(logs.read_log), execution, after=after, limit=_LINES)
        return await to_thread.run_sync(read, limiter=self._gateway.capacity.progress_reads)

    async def _full(self, execution: UUID) -> ExecutionInFull:
        get = self._gateway.use(history.get_execution)
        return await to_thread.run_sync(get, execution, limiter=self._gateway.capacity.progress_reads)

    async def _refuse(self, error: Exception, name: str, execution: UUID | None = None) -> None:
        """Tell the client of an error, and the log of one that is unexpected."""
        if isinstance(error, ImageFlowError):
            problem = SocketProblem(code=answer_for(error).code, message=str(error), details=details_of(error))
        else:
            request_id = self._socket.state.request_id
            _LOG.error("unexpected error", extra={"fields": {"request_id": request_id}}, exc_info=error)
            problem = SocketProblem(code=UNEXPECTED, message=unexpected_message(request_id))
        await self._send(SocketError(id=name, execution_id=execution, error=problem))

    async def _send(self, message: BaseModel) -> None:
        async with self._sending:
            try:
                async with asyncio.timeout(_READ_WITHIN_S):
                    await self._socket.send_text(message.model_dump_json())
            except TimeoutError:
                self._is_lost = True
                raise WebSocketDisconnect from None
