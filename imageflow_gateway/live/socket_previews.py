"""The previews of one WebSocket: one at a time, of which the newest goes on."""

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import suppress

from anyio import to_thread
from starlette.websockets import WebSocketDisconnect

from imageflow.client.preview_request import PreviewRequest, SampleImage, in_turn
from imageflow_domain.errors import Superseded
from imageflow_gateway.gateway import Gateway
from imageflow_gateway.live.socket_answers import SocketAnswers
from imageflow_gateway.live.socket_messages import Preview, Previewed
from imageflow_gateway.previewing import previewed


class SocketPreviews:
    """Previews of one connection.

    Args:
        gateway: Reaches an engine.
        answers: Sends messages to the client.
    """

    def __init__(self, gateway: Gateway, answers: SocketAnswers) -> None:
        self._gateway = gateway
        self._answers = answers
        self._session = uuid.uuid4().hex
        self._newest: tuple[str, asyncio.Task[None]] | None = None

    async def start(self, message: Preview, sent: Sequence[bytes]) -> None:
        """Begin a preview; an older one that goes on ends and is answered as superseded."""
        older = self._newest
        self._newest = message.id, asyncio.create_task(self._answer(message, sent))
        if older is not None and older[1].cancel():
            await self._answers.refuse(
                Superseded("A newer preview of this connection took the place of this one."), older[0]
            )

    def end(self) -> None:
        """End the preview that goes on."""
        if self._newest is not None:
            self._newest[1].cancel()

    async def _answer(self, message: Preview, sent: Sequence[bytes]) -> None:
        try:
            async with self._gateway.capacity.previews:
                samples = await previewed(self._gateway, await to_thread.run_sync(self._request, message, sent))
            await self._answers.send(Previewed(id=message.id, samples=samples))
        except WebSocketDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - answered, and logged in full where it is unexpected
            with suppress(WebSocketDisconnect):
                await self._answers.refuse(error, message.id)

    def _request(self, message: Preview, sent: Sequence[bytes]) -> PreviewRequest:
        data = iter(sent)
        images = [
            (
                each.name,
                SampleImage.of(next(data)) if each.sha256 is None else SampleImage(sha256=each.sha256, data=None),
            )
            for each in message.images
        ]
        return PreviewRequest(
            session=self._session,
            spec=message.spec,
            step=message.step,
            samples=in_turn(images),
            longest_side_px=message.longest_side_px,
        )
