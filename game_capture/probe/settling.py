"""How long a picture takes to settle after a move, and the rule that waits for it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

_INTERVAL_S = 0.03
_MOST_GRABS = 12
_SLACK = 1.5
"""Longer than was seen: a machine may be busier another time."""


@dataclass(frozen=True, kw_only=True)
class Settling:
    """What a picture did after one move."""

    first_s: float
    """From the move's end to the first change; 0 where the picture changed no more."""
    last_s: float
    """From the move's end to the last change."""
    pause_s: float
    """The longest time without a change before the last one, from the first change on."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """How pictures are waited for: the settings of that name."""

    move_wait_s: float
    equal_grabs: int
    interval_s: float


def settling_of(grabs: Sequence[tuple[float, bool]]) -> Settling:
    """Return what a picture did after a move.

    Args:
        grabs: For each grab, seconds since the move's end, and whether it differs from the grab before, the first one
            from the picture at the move's end.
    """
    changes = [at_s for at_s, has_changed in grabs if has_changed]
    if not changes:
        return Settling(first_s=0.0, last_s=0.0, pause_s=0.0)
    pauses = [later - earlier for earlier, later in pairwise(changes)]
    return Settling(first_s=changes[0], last_s=changes[-1], pause_s=max(pauses, default=0.0))


def waiting_for(settlings: Sequence[Settling], *, is_restless: bool) -> Waiting:
    """Return how to wait for pictures that settle as these did.

    Args:
        is_restless: The map itself never stands still: then the time of the slowest move is all there is to wait for.
    """
    if is_restless:
        last_s = max((one.last_s for one in settlings), default=0.0)
        return Waiting(move_wait_s=_rounded(min(1.0, last_s) * _SLACK), equal_grabs=1, interval_s=_INTERVAL_S)
    first_s = max((one.first_s for one in settlings), default=0.0)
    quiet_s = _SLACK * max((one.pause_s for one in settlings), default=0.0)
    interval_s = max(_INTERVAL_S, _rounded(quiet_s / (_MOST_GRABS - 1)) if quiet_s > _INTERVAL_S * _MOST_GRABS else 0.0)
    grabs = max(3, ceil(quiet_s / interval_s) + 1)
    return Waiting(move_wait_s=_rounded(first_s * _SLACK), equal_grabs=min(_MOST_GRABS, grabs), interval_s=interval_s)


def _rounded(time_s: float) -> float:
    """Round up to a twentieth of a second, at least one."""
    return max(1, ceil(time_s * 20 - 1e-9)) / 20
