"""Work that needs memory goes side by side only as far as its memory allows."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class ByteBudget:
    """So many bytes, shared by threads."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._left_bytes = most_bytes
        self._changed = Condition()

    @contextmanager
    def holding(self, wanted_bytes: int) -> Iterator[None]:
        """Wait until so many bytes are left, and hold them; who wants more than there are goes alone."""
        wanted_bytes = min(wanted_bytes, self._most_bytes)
        with self._changed:
            self._changed.wait_for(lambda: self._left_bytes >= wanted_bytes)
            self._left_bytes -= wanted_bytes
        try:
            yield
        finally:
            with self._changed:
                self._left_bytes += wanted_bytes
                self._changed.notify_all()
