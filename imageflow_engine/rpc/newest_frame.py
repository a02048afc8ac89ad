"""The frame of a camera stream that waits: a newer one takes its place."""

import asyncio
from dataclasses import dataclass

from imageflow_domain.errors import InvalidInput

_LISTED = 100


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A frame to process."""

    number: int
    """As its client has numbered it."""
    data: bytes
    dropped: int
    """Frames that were dropped since the one before."""
    dropped_numbers: tuple[int, ...]
    """The newest 100 of them."""


class NewestFrame:
    """Holds at most one frame. Belongs to one event loop."""

    def __init__(self) -> None:
        self._last = -1
        self._waiting: tuple[int, bytes] | None = None
        self._is_over = False
        self._changed = asyncio.Event()
        self._dropped = 0
        self._dropped_numbers: list[int] = []

    def put(self, number: int, data: bytes) -> bool:
        """Take a frame; return whether one that waited was dropped for it.

        Raises `InvalidInput` for a number that is not greater than the one before.
        """
        if number <= self._last:
            raise InvalidInput(f"Frame {number} came after frame {self._last}: number frames in their order, from 0.")
        self._last = number
        older, self._waiting = self._waiting, (number, data)
        self._changed.set()
        if older is None:
            return False
        self._dropped += 1
        self._dropped_numbers = [*self._dropped_numbers[1 - _LISTED :], older[0]]
        return True

    def close(self) -> None:
        """Say that no more frames come."""
        self._is_over = True
        self._changed.set()

    async def take(self) -> Frame | None:
        """Return the newest frame, waiting for one; `None` once no more come."""
        while self._waiting is None:
            if self._is_over:
                return None
            self._changed.clear()
            await self._changed.wait()
        (number, data), self._waiting = self._waiting, None
        frame = Frame(number=number, data=data, dropped=self._dropped, dropped_numbers=tuple(self._dropped_numbers))
        self._dropped, self._dropped_numbers = 0, []
        return frame
