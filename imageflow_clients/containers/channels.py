"""Standard streams of a container in a pod, through the API server: numbered channels of one WebSocket."""

import json
import select
import socket
import ssl
from contextlib import suppress
from enum import IntEnum
from typing import Any

from kubernetes.stream.ws_client import WSClient
from websocket import ABNF, WebSocketException, WebSocketTimeoutException

_SEND_S = 10.0
"""For the API server to take a frame."""
_REST_S = 1.0
"""For the rest of a frame that has begun to come."""


class Channel(IntEnum):
    """What a frame belongs to."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3


_CHANNELS = frozenset(Channel)


class ChannelsClosed(Exception):
    """The connection has ended; the message says why, where the API server did."""


class Channels:
    """One connection. A single thread may use it; any other may `shut` it."""

    def __init__(self, client: WSClient) -> None:
        """Take over a connection that was just opened."""
        self._socket: Any = client.sock
        self._raw: socket.socket = client.sock.sock
        """Kept here: the WebSocket forgets it at the end of the connection."""
        # Balancers in front of API servers forget connections over which nothing goes for minutes.
        self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._poll = select.poll()
        self._poll.register(self._raw, select.POLLIN)
        self._why = ""

    def send(self, data: bytes) -> None:
        """Send bytes to standard input. Raises `TimeoutError` where the container reads none for a while."""
        self._socket.settimeout(_SEND_S)
        try:
            self._socket.send(bytes([Channel.STDIN]) + data, opcode=ABNF.OPCODE_BINARY)
        except WebSocketTimeoutException as error:
            raise TimeoutError from error
        except (WebSocketException, OSError) as error:
            raise self._closed(error) from error

    def receive(self, wait_s: float) -> tuple[Channel, bytes] | None:
        """Return what comes next, or `None` after a while. Raises `ChannelsClosed` at the end."""
        if not self._has_decrypted() and not self._poll.poll(wait_s * 1000):
            return None
        self._socket.settimeout(_REST_S)
        try:
            kind, frame = self._socket.recv_data_frame(control_frame=True)
        except WebSocketTimeoutException:  # what has come of a frame is kept
            return None
        except (WebSocketException, OSError) as error:
            raise self._closed(error) from error
        if kind == ABNF.OPCODE_CLOSE:
            raise self._closed()
        data = bytes(frame.data)
        if kind not in (ABNF.OPCODE_BINARY, ABNF.OPCODE_TEXT) or len(data) < 2 or data[0] not in _CHANNELS:
            return None
        channel, data = Channel(data[0]), data[1:]
        if channel is Channel.ERROR:
            self._why = _message(data)
        return channel, data

    def shut(self) -> None:
        """End the connection; may be called from any thread, and again."""
        with suppress(OSError):  # it has ended
            socket.socket.shutdown(self._raw, socket.SHUT_RDWR)  # also of TLS: its own would wait for the other side

    def close(self) -> None:
        """Close the connection. No other thread may use it any more."""
        self.shut()
        self._raw.close()

    def _has_decrypted(self) -> bool:
        return isinstance(self._raw, ssl.SSLSocket) and self._raw.pending() > 0

    def _closed(self, error: Exception | None = None) -> ChannelsClosed:
        return ChannelsClosed(self._why or str(error or ""))


def _message(status: bytes) -> str:
    """Return what the API server says of the end of a program."""
    try:
        said = json.loads(status)
    except ValueError:
        return status.decode(errors="replace")
    return "" if said.get("status") == "Success" else str(said.get("message", ""))
