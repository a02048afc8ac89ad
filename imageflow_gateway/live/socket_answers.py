"""What one WebSocket sends to its client: messages, and errors as messages."""

import asyncio
import logging
from uuid import UUID

from fastapi import WebSocket
from pydantic import BaseModel
from starlette.websockets import WebSocketDisconnect

from imageflow_domain.errors import ImageFlowError
from imageflow_edge.error_table import answer_for
from imageflow_gateway.errors import UNEXPECTED, details_of, unexpected_message
from imageflow_gateway.live.socket_messages import SocketError, SocketProblem

_LOG = logging.getLogger(__name__)


class SocketAnswers:
    """Sends one message at a time.

    Args:
        socket: The connection.
        read_within_s: How long the client may not read a message.
    """

    def __init__(self, socket: WebSocket, *, read_within_s: float) -> None:
        self._socket = socket
        self._read_within_s = read_within_s
        self._sending = asyncio.Lock()
        self.is_lost = False
        """Whether the client did not read a message in time."""

    async def send(self, message: BaseModel) -> None:
        """Send a message; raise `WebSocketDisconnect` where the client does not read it in time."""
        async with self._sending:
            try:
                async with asyncio.timeout(self._read_within_s):
                    await self._socket.send_text(message.model_dump_json())
            except TimeoutError:
                self.is_lost = True
                raise WebSocketDisconnect from None

    async def refuse(self, error: Exception, name: str, execution: UUID | None = None) -> None:
        """Send an error to the client; one that is unexpected is logged in full.

        Args:
            error: What happened.
            name: Id of the message that it answers; empty where it answers none.
            execution: Which execution it is about, where it is about one that is followed.
        """
        if isinstance(error, ImageFlowError):
            problem = SocketProblem(code=answer_for(error).code, message=str(error), details=details_of(error))
        else:
            request_id = self._socket.state.request_id
            _LOG.error("unexpected error", extra={"fields": {"request_id": request_id}}, exc_info=error)
            problem = SocketProblem(code=UNEXPECTED, message=unexpected_message(request_id))
        await self.send(SocketError(id=name, execution_id=execution, error=problem))
