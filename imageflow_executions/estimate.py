"""How long an execution is expected to take, from those of the same pipeline that completed last."""

from collections.abc import Sequence
from statistics import median

_LEAST = 3
"""Executions of about the same size that tell more than all of them together."""

_ALIKE = 2.0
"""Sizes up to this factor apart are about the same."""


def estimate_s(recent: Sequence[tuple[float, int]], size_bytes: int) -> float | None:
    """Return a duration in seconds; `None` where nothing of the kind has completed yet.

    Args:
        recent: Seconds, and bytes of all inputs, of executions that completed.
        size_bytes: Of this execution's inputs.
    """
    alike = [seconds for seconds, size in recent if size_bytes / _ALIKE <= size <= size_bytes * _ALIKE]
    if len(alike) >= _LEAST:
        return median(alike)
    return median(seconds for seconds, _ in recent) if recent else None
