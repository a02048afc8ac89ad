"""When a picture counts as settled: so many equal grabs in a row. Knows neither displays nor games."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from imageflow_domain.errors import GameNeverSettled
from imageflow_domain.geometry import Rect

Picture = NDArray[np.uint8]


class SettleRule(BaseModel):
    """How long to wait for a picture that stands still."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    equal_grabs: int = Field(default=2, ge=1, le=50)
    """Equal pictures in a row; 1 takes the first."""
    equal_share: float = Field(default=1.0, gt=0, le=1)
    """Share of the pixels that must be equal: 0.3 where water or people move all the time, and the camera must stop."""
    interval_s: float = Field(default=0.015, ge=0, le=10)
    """Between two grabs."""
    timeout_s: float = Field(default=10.0, gt=0, le=600)
    """How long a picture that stands still is waited for."""
    ignored: tuple[Rect, ...] = ()
    """Parts of the picture that may keep changing: clocks, cursors."""
    on_timeout: Literal["take", "hole", "fail"] = "take"
    """What becomes of an area whose picture still changes then: take it as it is, leave a hole in the map, or fail.

    Taken or not, it is visited again at the end.
    """


@dataclass(frozen=True, kw_only=True, eq=False)
class Watched:
    """The latest picture, and whether it settled."""

    picture: Picture
    is_settled: bool


def settle(
    grab: Callable[[], Picture],
    rule: SettleRule,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Picture:
    """Return the last of `rule.equal_grabs` equal pictures, shape as grabbed.

    Raises `GameNeverSettled` when the rule's time is up first.
    """
    watched = watch(grab, rule, clock=clock, sleep=sleep)
    if not watched.is_settled:
        raise GameNeverSettled(never_settled(rule))
    return watched.picture


def never_settled(rule: SettleRule) -> str:
    """Say that a picture did not stand still, and what helps."""
    return (
        f"The picture kept changing for {rule.timeout_s:g} s: pause the game, ignore what moves, "
        "or ask for fewer equal grabs."
    )


def watch(
    grab: Callable[[], Picture],
    rule: SettleRule,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Watched:
    """Return the last of `rule.equal_grabs` equal pictures; the latest one where the rule's time is up first."""
    deadline = clock() + rule.timeout_s
    picture = grab()
    equal = 1
    while equal < rule.equal_grabs:
        if clock() >= deadline:
            return Watched(picture=picture, is_settled=False)
        sleep(rule.interval_s)
        latest = grab()
        equal = equal + 1 if _equal(picture, latest, rule) else 1
        picture = latest
    return Watched(picture=picture, is_settled=True)


def _equal(one: Picture, other: Picture, rule: SettleRule) -> bool:
    if np.array_equal(one, other):
        return True
    if not rule.ignored and rule.equal_share == 1:
        return False
    changed = (one != other).any(axis=-1)
    for rect in rule.ignored:
        changed[max(rect.y_px, 0) : max(rect.bottom_px, 0), max(rect.x_px, 0) : max(rect.right_px, 0)] = False
    return bool(np.count_nonzero(changed) <= (1 - rule.equal_share) * changed.size)
