"""Calls that are tried again: which, when and how often, once for all protocols."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from imageflow.client.breaker import Breaker
from imageflow.client.failures import MAY_PASS
from imageflow_domain.errors import ImageFlowError, Timeout

WAITS_S = (1.0, 2.0, 4.0)
"""Before the second, third and fourth attempt, each a quarter more or less, so that clients do not come all at once."""

JITTER = 0.25
TIMEOUT_S = 5.0
"""Of one attempt."""

T = TypeVar("T")


class Deadline:
    """The end of a whole call, with all its attempts and the waits between them.

    Args:
        seconds: From now on.
        clock: Seconds that only grow.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds
        self._seconds = seconds

    @property
    def left_s(self) -> float:
        """Seconds until it is over; 0 from then on."""
        return max(0.0, self._end - self._clock())

    def check(self) -> None:
        """Raise `Timeout` once it is over."""
        if not self.left_s:
            raise self.passed()

    def passed(self) -> Timeout:
        """Return the error of a call that took too long."""
        return Timeout(
            f"The call was not done within {self._seconds:g} s: give it more, or follow its execution later."
        )


def jittered(wait_s: float) -> float:
    """Return a wait, a quarter more or less."""
    return wait_s * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads clients, hides nothing


class Resilience:
    """Tries calls of one server."""

    def __init__(self, breaker: Breaker, *, timeout_s: float = TIMEOUT_S) -> None:
        self._breaker = breaker
        self._timeout_s = timeout_s

    async def call(
        self,
        attempt: Callable[[float], Awaitable[T]],
        deadline: Deadline,
        *,
        timeout_s: float | None = None,
        waits_s: Sequence[float] = WAITS_S,
    ) -> T:
        """Return what an attempt returns; where it fails by what may pass, try again.

        Args:
            attempt: Gets its timeout in seconds. It must be safe to repeat.
            deadline: Of the whole call.
            timeout_s: Of each attempt; by default 5 s.
            waits_s: Before each further attempt.

        Raises:
            Unavailable: The last attempt's error, or at once where the breaker is open. `Timeout` past the deadline.
            ImageFlowError: Any other error of an attempt, at once.
        """
        for wait_s in (*waits_s, None):
            deadline.check()
            try:
                return await self._once(attempt, min(timeout_s or self._timeout_s, deadline.left_s))
            except MAY_PASS as error:
                if wait_s is None or self._breaker.is_open:
                    raise
                await _sleep(jittered(wait_s), deadline, error)
        raise AssertionError("the last attempt returns or raises")

    async def _once(self, attempt: Callable[[float], Awaitable[T]], timeout_s: float) -> T:
        is_probe = self._breaker.enter()
        try:
            value = await attempt(timeout_s)
        except MAY_PASS:
            self._breaker.fail(is_probe=is_probe)
            raise
        except ImageFlowError:
            self._breaker.succeed(is_probe=is_probe)  # it answered
            raise
        except BaseException:
            self._breaker.forget(is_probe=is_probe)
            raise
        self._breaker.succeed(is_probe=is_probe)
        return value


async def _sleep(wait_s: float, deadline: Deadline, error: Exception) -> None:
    if wait_s >= deadline.left_s:
        raise error
    await asyncio.sleep(wait_s)
