"""The WebSocket of executions: start, send images, follow any number of executions, cancel."""

import asyncio
import time
from collections import deque
from contextlib import aclosing
from functools import partial
from typing import Final
from uuid import UUID

from anyio import to_thread
from fastapi import APIRouter, WebSocket
from pydantic import BaseModel, ValidationError
from starlette.websockets import WebSocketDisconnect

from imageflow_domain.access import LOCAL_OPERATOR
from imageflow_domain.errors import Conflict, ImageFlowError, InvalidInput, Timeout, TooManyRequests
from imageflow_domain.events import BEGINNING, EventCursor
from imageflow_domain.execution_events import subject_of
from imageflow_domain.executions import ExecutionRecord, Priority
from imageflow_edge.changes import changes
from imageflow_edge.error_table import answer_for
from imageflow_executions import history, start
from imageflow_executions.history import ExecutionInFull
from imageflow_executions.start import StartRequest
from imageflow_gateway.live.execution_progress import ProgressOf
from imageflow_gateway.live.live_gateway import LiveGateway
from imageflow_gateway.live.socket_images import ArrivingImages
from imageflow_gateway.live.socket_messages import (
    CLIENT_MESSAGES,
    Accepted,
    Cancel,
    Cancelling,
    SocketError,
    SocketProblem,
    Start,
    Subscribe,
    Unsubscribe,
)

PREFIX: Final = "/api/v1/ws"

_MOST_TEXT_BYTES = 4_000_000
_MESSAGES_A_MINUTE = 100
"""Of control messages; frames of images are not counted."""

_MOST_SUBSCRIPTIONS = 100
_FRAME_WITHIN_S = 30.0
"""A start whose images do not arrive holds a place."""

_BEAT_S = 30.0

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
        self._sending = asyncio.Lock()
        self._followed: dict[UUID, asyncio.Task[None]] = {}
        self._arriving: ArrivingImages | None = None
        self._said: deque[float] = deque(maxlen=_MESSAGES_A_MINUTE)

    async def run(self) -> None:
        try:
            while True:
                async with asyncio.timeout(_FRAME_WITHIN_S if self._arriving else None):
                    message = await self._socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                await self._take(message.get("text"), message.get("bytes"))
        except TimeoutError:
            late = Timeout(f"No frame of an announced image came within {_FRAME_WITHIN_S:.0f} s: send it again.")
            await self._socket.close(answer_for(late).close, str(late))
        except WebSocketDisconnect:
            return
        finally:
            if self._arriving is not None:
                self._arriving.close()
            for task in self._followed.values():
                task.cancel()

    async def _take(self, text: str | None, frame: bytes | None) -> None:
        """Take one message; what is wrong with it is answered."""
        name = ""
        try:
            if text is None:
                name = self._arriving.start.id if self._arriving else ""
                await self._take_frame(frame or b"")
                return
            message = self._read(text)
            name = message.id
            match message:
                case Start():
                    self._announce(message)
                case Subscribe():
                    await self._subscribe(message)
                case Unsubscribe():
                    self._leave(message.execution_id)
                case Cancel():
                    await self._cancel(message)
        except ImageFlowError as error:
            await self._refuse(error, name)

    def _read(self, text: str) -> Start | Subscribe | Unsubscribe | Cancel:
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

    def _announce(self, message: Start) -> None:
        if self._arriving is not None:
            raise Conflict(f"The images of '{self._arriving.start.id}' have not all come: send them first.")
        most_bytes = self._gateway.settings.upload_limit_bytes
        self._arriving = ArrivingImages(message, self._gateway.scratch, most_bytes=most_bytes)

    async def _take_frame(self, frame: bytes) -> None:
        arriving = self._arriving
        if arriving is None:
            raise InvalidInput("A binary frame came without a start that announces it.")
        try:
            await to_thread.run_sync(arriving.take, frame)
            if not arriving.is_whole:
                return
            record = await self._start(arriving)
        except ImageFlowError:
            self._forget()
            raise
        self._forget()
        await self._send(
            Accepted(id=arriving.start.id, execution_id=record.id, estimated_completion_time=record.estimated_end_at)
        )
        self._follow(record.id, None)

    def _forget(self) -> None:
        if self._arriving is not None:
            self._arriving.close()
            self._arriving = None

    async def _start(self, arriving: ArrivingImages) -> ExecutionRecord:
        message = arriving.start
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
            lambda: start_now(request, arriving.images(), LOCAL_OPERATOR),
            limiter=self._gateway.capacity.execution_images,
        )

    async def _subscribe(self, message: Subscribe) -> None:
        after = None if message.after is None else EventCursor.parse(message.after)
        if after is None and message.after is not None:
            raise InvalidInput(f"'{message.after[:80]}' is no cursor: send that of the last message that you have.")
        await self._full(message.execution_id)  # whether it is there
        self._follow(message.execution_id, after)

    async def _cancel(self, message: Cancel) -> None:
        cancel = self._gateway.use(history.cancel_execution)
        record = await to_thread.run_sync(cancel, message.execution_id)
        await self._send(Cancelling(id=message.id, execution_id=record.id))

    def _follow(self, execution: UUID, after: EventCursor | None) -> None:
        self._leave(execution)
        if len(self._followed) >= _MOST_SUBSCRIPTIONS:
            raise TooManyRequests(f"A connection follows {_MOST_SUBSCRIPTIONS} executions at most: leave one first.")
        task = asyncio.create_task(self._report(execution, after))
        self._followed[execution] = task
        task.add_done_callback(lambda done: self._ended(execution, done))

    def _leave(self, execution: UUID) -> None:
        task = self._followed.pop(execution, None)
        if task is not None:
            task.cancel()

    def _ended(self, execution: UUID, task: asyncio.Task[None]) -> None:
        if self._followed.get(execution) is task:
            del self._followed[execution]

    async def _report(self, execution: UUID, after: EventCursor | None) -> None:
        """Send how an execution stands after each change."""
        try:
            found = await self._full(execution)
            progress = ProgressOf(found.record)
            # Each message has all steps: a client that comes back gets them from the beginning of the log.
            begin = found if after is None else BEGINNING
            seen = after or BEGINNING
            read = partial(self._full, execution)
            following = changes(self._gateway.hub, subject_of(execution), read, begin=begin, beat_s=_BEAT_S)
            async with self._gateway.capacity.execution_followers, aclosing(following):
                async for one in following:
                    if isinstance(one, ExecutionInFull):
                        await self._send(progress.at_snapshot(one))
                    elif one is not None:
                        now = progress.after(one)
                        if one.cursor > seen:
                            await self._send(now)
        except ImageFlowError as error:
            await self._refuse(error, "", execution)
        except WebSocketDisconnect:
            return

    async def _full(self, execution: UUID) -> ExecutionInFull:
        get = self._gateway.use(history.get_execution)
        return await to_thread.run_sync(get, execution, limiter=self._gateway.capacity.progress_reads)

    async def _refuse(self, error: ImageFlowError, name: str, execution: UUID | None = None) -> None:
        problem = SocketProblem(code=answer_for(error).code, message=str(error))
        await self._send(SocketError(id=name, execution_id=execution, error=problem))

    async def _send(self, message: BaseModel) -> None:
        async with self._sending:
            await self._socket.send_text(message.model_dump_json())
