"""The WebSocket of executions: start, send images, follow any number of executions, cancel."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from anyio import to_thread
from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from imageflow_domain.access import Principal
from imageflow_domain.errors import ImageFlowError, InvalidInput, Timeout, TooManyRequests
from imageflow_domain.executions import ExecutionRecord, Priority
from imageflow_edge.error_table import answer_for
from imageflow_executions import history, start
from imageflow_executions.start import StartRequest
from imageflow_gateway.live.live_gateway import LiveGateway
from imageflow_gateway.live.socket_answers import SocketAnswers
from imageflow_gateway.live.socket_followers import SocketFollowers
from imageflow_gateway.live.socket_frames import SocketFrames
from imageflow_gateway.live.socket_images import ArrivingImages
from imageflow_gateway.live.socket_messages import (
    Accepted,
    AnyClientMessage,
    Cancel,
    Cancelling,
    EndStream,
    Preview,
    Start,
    Stream,
    Subscribe,
    SubscribeLogs,
    Unsubscribe,
    UnsubscribeLogs,
)
from imageflow_gateway.live.socket_previews import SocketPreviews
from imageflow_gateway.live.socket_reader import SocketReader

PREFIX: Final = "/api/v1/ws"

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
        self._limits = gateway.capacity.socket
        self._principal: Principal = socket.state.principal
        self._reader = SocketReader(self._limits)
        self._answers = SocketAnswers(socket, read_within_s=self._limits.read_within_s)
        self._frames = SocketFrames(gateway, self._answers)
        self._previews = SocketPreviews(gateway, self._answers)
        self._followers = SocketFollowers(gateway, self._answers)
        self._heard_at_s = time.monotonic()

    async def run(self) -> None:
        try:
            while (message := await self._next())["type"] != "websocket.disconnect":
                await self._take(message.get("text"), message.get("bytes"))
        except Timeout as late:
            self._followers.leave_all()
            await self._socket.close(answer_for(late).close, str(late))
        except WebSocketDisconnect:
            return
        finally:
            self._frames.end()
            self._previews.end()
            self._followers.leave_all()

    async def _next(self) -> Mapping[str, Any]:
        """Return the next message; raise `Timeout` where none comes in time, `WebSocketDisconnect` where it is lost."""
        self._heard_at_s = time.monotonic()
        receiving = asyncio.ensure_future(self._socket.receive())
        try:
            while not receiving.done():
                self._check_patience()
                await asyncio.wait({receiving}, timeout=self._limits.check_s)
            return receiving.result()
        finally:
            receiving.cancel()

    def _check_patience(self) -> None:
        if self._answers.is_lost:
            raise WebSocketDisconnect
        now, limits = time.monotonic(), self._limits
        if self._frames.are_awaited and now - self._heard_at_s > limits.frame_within_s:
            raise Timeout(f"No frame of an announced image came within {limits.frame_within_s:.0f} s: send it again.")
        idle_since_s = self._followers.idle_since_s
        if idle_since_s is not None and now - max(idle_since_s, self._heard_at_s) > limits.idle_s:
            raise Timeout(f"Nothing was sent or followed for {limits.idle_s:.0f} s: connect again.")

    async def _take(self, text: str | None, frame: bytes | None) -> None:
        """Take one message; what is wrong with it is answered."""
        name = ""
        try:
            if text is None:
                name = self._frames.message_id
                await self._take_frame(frame or b"")
            else:
                message = self._reader.read(text)
                name = message.id
                await self._do(message)
        except ImageFlowError as error:
            await self._answers.refuse(error, name)

    async def _do(self, message: AnyClientMessage) -> None:
        match message:
            case Start():
                self._announce_start(message)
            case Preview():
                await self._announce_preview(message)
            case Stream():
                self._frames.begin_stream(message)
            case EndStream():
                await self._frames.end_stream()
            case Subscribe():
                await self._followers.subscribe(message)
            case SubscribeLogs():
                await self._followers.subscribe_to_log(message)
            case Unsubscribe() | UnsubscribeLogs():
                self._followers.leave(message)
            case Cancel():
                await self._cancel(message)

    def _announce_start(self, message: Start) -> None:
        names = [image.name for image in message.images]
        if len(set(names)) < len(names):
            raise InvalidInput("Two images have one name: name each after another input of the pipeline.")
        self._frames.announce(message, [(image.name, image.size) for image in message.images])

    async def _announce_preview(self, message: Preview) -> None:
        announced = [(image.name, image.size) for image in message.images if image.size is not None]
        if announced:
            self._frames.announce(message, announced)
        else:
            await self._previews.start(message, ())

    async def _take_frame(self, frame: bytes) -> None:
        try:
            images = await self._frames.take(frame)
            if images is not None:
                await self._begin(images)
        except ImageFlowError:
            self._frames.forget()
            raise

    async def _begin(self, images: ArrivingImages[Start | Preview]) -> None:
        """Do what a message asks for, whose images are all there."""
        message = images.message
        if isinstance(message, Preview):
            sent = [data for _, data in await to_thread.run_sync(images.images)]
            self._frames.forget()
            await self._previews.start(message, sent)
            return
        record = await self._start(message, images)
        self._frames.forget()
        await self._answers.send(
            Accepted(id=message.id, execution_id=record.id, estimated_completion_time=record.estimated_end_at)
        )
        self._followers.follow(record.id)

    async def _start(self, message: Start, images: ArrivingImages[Start | Preview]) -> ExecutionRecord:
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
            lambda: start_now(request, dict(images.images()), self._principal),
            limiter=self._gateway.capacity.execution_images,
        )

    async def _cancel(self, message: Cancel) -> None:
        cancel = self._gateway.use(history.cancel_execution)
        record = await to_thread.run_sync(cancel, message.execution_id)
        await self._answers.send(Cancelling(id=message.id, execution_id=record.id))
