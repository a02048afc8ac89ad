"""Messages of the client of one WebSocket, read and checked."""

import time
from collections import deque

from pydantic import ValidationError

from imageflow_domain.errors import InvalidInput, TooManyRequests
from imageflow_gateway.capacity import SocketLimits
from imageflow_gateway.live.socket_messages import CLIENT_MESSAGES, AnyClientMessage


class SocketReader:
    """Reads the messages of one connection, of which only so many are taken a minute."""

    def __init__(self, limits: SocketLimits) -> None:
        self._limits = limits
        self._taken_at_s: deque[float] = deque(maxlen=limits.messages_a_minute)

    def read(self, text: str) -> AnyClientMessage:
        """Return a message; raise `TooManyRequests`, or `InvalidInput` where it is too long or not right."""
        now = time.monotonic()
        most = self._limits.messages_a_minute
        if len(self._taken_at_s) == most and now - self._taken_at_s[0] < 60:
            raise TooManyRequests(f"{most} messages a minute are taken: send this one later.")
        self._taken_at_s.append(now)
        if len(text) > self._limits.text_bytes:
            raise InvalidInput(f"A message has at most {self._limits.text_bytes:,} bytes.")
        try:
            return CLIENT_MESSAGES.validate_json(text)
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:8])
            raise InvalidInput(f"The message is not right: {faults}. See /asyncapi.json.") from error
