"""The binary frames of one WebSocket: images that a message announced, or frames of a camera stream."""

from collections.abc import Sequence

from anyio import to_thread

from imageflow_domain.errors import Conflict, InvalidInput
from imageflow_gateway.gateway import Gateway
from imageflow_gateway.live.socket_answers import SocketAnswers
from imageflow_gateway.live.socket_images import ArrivingImages
from imageflow_gateway.live.socket_messages import Preview, Start, Stream
from imageflow_gateway.live.socket_stream import SocketStream


class SocketFrames:
    """Frames of one connection, which belong to one message at a time. End it.

    Args:
        gateway: Has the limits and reaches an engine.
        answers: Sends messages to the client.
    """

    def __init__(self, gateway: Gateway, answers: SocketAnswers) -> None:
        self._gateway = gateway
        self._answers = answers
        self._arriving: ArrivingImages[Start | Preview] | None = None
        self._stream: SocketStream | None = None

    @property
    def are_awaited(self) -> bool:
        """Whether announced images have not all arrived."""
        return self._arriving is not None

    @property
    def message_id(self) -> str:
        """Id of the message that the next frame belongs to; empty where there is none."""
        if self._stream is not None and not self._stream.is_over:
            return self._stream.id
        return self._arriving.message.id if self._arriving else ""

    def announce(self, message: Start | Preview, announced: Sequence[tuple[str, int]]) -> None:
        """Expect images, each with its name and size; raise `Conflict`, or `TooLarge` for too many bytes."""
        self._check_free()
        most_bytes = self._gateway.settings.upload_limit_bytes
        self._arriving = ArrivingImages(message, announced, self._gateway.scratch, most_bytes=most_bytes)

    def begin_stream(self, message: Stream) -> None:
        """Begin a camera stream; raise `Conflict` where frames belong to another message."""
        self._check_free()
        self._stream = SocketStream(self._gateway, message, self._answers)

    async def end_stream(self) -> None:
        """Send no more frames to the stream; raise `InvalidInput` where there is none."""
        if self._stream is None or self._stream.is_over:
            raise InvalidInput("There is no stream to end: it has ended, or none was begun.")
        await self._stream.finish()

    async def take(self, frame: bytes) -> ArrivingImages[Start | Preview] | None:
        """Take a frame, and return the images that were announced where it completes them: then `forget` them.

        Raises `InvalidInput` or `TooLarge` for a frame that is not taken.
        """
        arriving = self._arriving
        if self._stream is not None and arriving is None:
            await self._stream.take(frame)
            return None
        if arriving is None:
            raise InvalidInput("A binary frame came without a message that announces it.")
        await to_thread.run_sync(arriving.take, frame)
        return arriving if arriving.is_whole else None

    def forget(self) -> None:
        """Forget the images that were announced."""
        if self._arriving is not None:
            self._arriving.close()
            self._arriving = None

    def end(self) -> None:
        """Forget all: the client is gone."""
        self.forget()
        if self._stream is not None:
            self._stream.end()

    def _check_free(self) -> None:
        """Raise `Conflict` where the frames that come belong to another message."""
        if self._arriving is not None:
            raise Conflict(f"The images of '{self._arriving.message.id}' have not all come: send them first.")
        if self._stream is not None and not self._stream.is_over:
            raise Conflict(f"The stream '{self._stream.id}' takes all frames: end it first, or use another connection.")
