"""A cache whose values expire."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class TtlCache(Generic[K, V]):
    """Keeps up to `size` values for `ttl_s` each; the one that was made longest ago goes first."""

    def __init__(self, *, ttl_s: float, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl_s = ttl_s
        self._size = size
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """Return the value kept for `key`, or make it; what `make` raises is not kept."""
        with self._lock:
            found = self._kept.get(key)
        if found is not None and self._clock() < found[0]:
            return found[1]
        value = make()
        with self._lock:
            self._kept.pop(key, None)
            self._kept[key] = (self._clock() + self._ttl_s, value)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return value
