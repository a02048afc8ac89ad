"""A breaker: a server that fails again and again is left alone for a while."""

import time
from collections.abc import Callable

from imageflow_domain.errors import Unavailable

FAILURES = 5
"""In a row, until it opens."""

OPEN_S = 30.0
SUCCESSES = 3
"""In a row, until it closes again."""


class Breaker:
    """Closed, calls pass. Open, none does. After 30 s one call at a time probes whether the server answers again.

    Args:
        name: Of what it protects, for messages.
        clock: Seconds that only grow.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._successes = 0
        self._is_probing = False

    @property
    def is_open(self) -> bool:
        """Whether no call passes, or only one that probes."""
        return self._opened_at is not None

    def enter(self) -> bool:
        """Begin a call, which ends with `succeed`, `fail` or `forget`; return whether it is a probe.

        Raises `Unavailable` where no call may pass.
        """
        if self._opened_at is None:
            return False
        left_s = self._opened_at + OPEN_S - self._clock()
        if left_s > 0:
            raise Unavailable(
                f"{self._name} failed {FAILURES} times in a row and is left alone for {left_s:.0f} s: see if it runs."
            )
        if self._is_probing:
            raise Unavailable(f"{self._name} is being asked whether it answers again: try in a moment.")
        self._is_probing = True
        return True

    def succeed(self, *, is_probe: bool) -> None:
        """End a call that was answered."""
        if is_probe:
            self._is_probing = False
            self._successes += 1
            if self._successes >= SUCCESSES:
                self._opened_at = None
        if self._opened_at is None:
            self._failures = 0

    def fail(self, *, is_probe: bool) -> None:
        """End a call that was not answered."""
        self._failures += 1
        if is_probe or (self._opened_at is None and self._failures >= FAILURES):
            self._opened_at = self._clock()
            self._successes = 0
        self.forget(is_probe=is_probe)

    def forget(self, *, is_probe: bool) -> None:
        """End a call that was given up by its caller."""
        if is_probe:
            self._is_probing = False
