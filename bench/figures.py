"""What a bench reports: figures with their targets. How they are shown and stored is `bench.__main__`'s business."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured number, and what it has to be.

    At most one of `at_most` and `at_least` is given; a figure with neither is shown for information.
    """

    name: str
    """What was measured, as text: 'registration CPU a shot / decoding it, city 1280x1024'."""
    value: float
    unit: str = ""
    """'s', 'ms', 'MB', '%'; empty for a ratio or a count."""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def reached(self) -> bool | None:
        """Whether the target is met; `None` without a target."""
        if self.at_most is not None:
            return self.value <= self.at_most
        if self.at_least is not None:
            return self.value >= self.at_least
        return None

    @property
    def target(self) -> str:
        """The target as text; empty without one."""
        if self.at_most is not None:
            return f"<= {self.at_most:g} {self.unit}".strip()
        if self.at_least is not None:
            return f">= {self.at_least:g} {self.unit}".strip()
        return ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """All figures of one bench, or the reason why it could not run here."""

    figures: tuple[Figure, ...] = ()
    skipped: str = ""
    """Why nothing was measured, e.g. a program that is missing; empty for a bench that ran."""


@dataclass(kw_only=True)
class Spent:
    """Seconds of processor (all threads of this process) and of the clock between two moments."""

    cpu_s: float = field(default=0.0)
    wall_s: float = field(default=0.0)


@contextmanager
def spending() -> Iterator[Spent]:
    """Measure the body: the yielded `Spent` is filled when it ends."""
    spent = Spent()
    cpu_start, wall_start = time.process_time(), time.perf_counter()
    try:
        yield spent
    finally:
        spent.cpu_s = time.process_time() - cpu_start
        spent.wall_s = time.perf_counter() - wall_start
