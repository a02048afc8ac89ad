"""Results that need not be computed again, kept in memory by what they were made from."""

import threading
from collections import OrderedDict
from collections.abc import Mapping

from imageflow_pipelines.values import Value, size_bytes

Outputs = Mapping[str, Value | None]
"""A step's outputs by port; `None` for a way not taken."""


class Reuse:
    """The outputs of steps by key, the least recently used forgotten first. Any thread may use it."""

    def __init__(self, *, max_bytes: int = 512 * 2**20) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, tuple[Outputs, int]] = OrderedDict()
        self._bytes = 0

    @property
    def held_bytes(self) -> int:
        """About how much memory the kept outputs take, at most `max_bytes`."""
        return self._bytes

    def get(self, key: bytes) -> Outputs | None:
        """Return the outputs that were kept under a key, if they still are."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            self._kept.move_to_end(key)
            return kept[0]

    def put(self, key: bytes, outputs: Outputs) -> None:
        """Keep a step's outputs, unless they alone are larger than all that may be kept."""
        size = sum(size_bytes(value) for value in outputs.values() if value is not None) + 1024
        if size > self._max_bytes:
            return
        with self._lock:
            previous = self._kept.pop(key, None)
            self._bytes += size - (previous[1] if previous else 0)
            self._kept[key] = (outputs, size)
            while self._bytes > self._max_bytes:
                _, (_, freed) = self._kept.popitem(last=False)
                self._bytes -= freed
