"""When a run's worker counts as dead: its silence was too long, and went on while this process listened."""

import time
from collections.abc import Callable

LISTENED_S = 10.0
"""Twice the time between two signs of life."""


class SilenceWatch:
    """Measures, look by look, how long this process has heard nothing of a name.

    After a suspended machine resumes, every worker looks dead to the first process that runs: the database's clock went
    on, the monotonic one did not.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}

    def is_dead(self, name: str, silence_s: float, allowed_s: float) -> bool:
        """Whether a silence is longer than allowed, its last `LISTENED_S` seconds heard by this watch."""
        if silence_s <= allowed_s - LISTENED_S:
            self._since.pop(name, None)
            return False
        listened_s = self._clock() - self._since.setdefault(name, self._clock())
        if listened_s < LISTENED_S or silence_s <= allowed_s:
            return False
        del self._since[name]
        return True
