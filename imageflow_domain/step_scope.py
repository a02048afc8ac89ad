"""What the code of a step reports without knowing who runs it: log lines, and what it used of the machine.

The scope belongs to the thread that does the step. Code that works for a step elsewhere, as in another process, brings
its reports back to this thread.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from imageflow_domain.resource_use import ResourceUse

MOST_LINE_CHARS = 2_000
_CUT = " ..."


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """A line that a component logged."""

    at: datetime
    level: str
    """`debug`, `info`, `warning`, `error` or `critical`."""
    text: str

    @classmethod
    def now(cls, level: str, text: str) -> "LogLine":
        """Return a line of this moment; a long text is cut."""
        shown = text if len(text) <= MOST_LINE_CHARS else text[: MOST_LINE_CHARS - len(_CUT)] + _CUT
        return cls(at=datetime.now(UTC), level=level, text=shown)


class StepScope:
    """One attempt at a step.

    Args:
        log: Takes each line; returns soon.
    """

    def __init__(self, log: Callable[[LogLine], None] | None = None) -> None:
        self._log = log
        self.used = ResourceUse()
        """What was reported until now."""

    def log(self, line: LogLine) -> None:
        """Report a line."""
        if self._log is None:
            return
        token = _SCOPE.set(None)  # what is logged while a line is stored is no line of the step
        try:
            self._log(line)
        finally:
            _SCOPE.reset(token)

    def use(self, used: ResourceUse) -> None:
        """Report what the step used, beside what was reported before."""
        self.used += used


_SCOPE: ContextVar[StepScope | None] = ContextVar("imageflow_step_scope", default=None)


def current_scope() -> StepScope | None:
    """Return the scope of the step that this thread does; `None` where it does none."""
    return _SCOPE.get()


@contextmanager
def entered(scope: StepScope) -> Iterator[None]:
    """Let this thread do a step while the body runs."""
    token = _SCOPE.set(scope)
    try:
        yield
    finally:
        _SCOPE.reset(token)


class Meter(Protocol):
    """Measures what this process uses for a step."""

    def measuring(self, scope: StepScope) -> AbstractContextManager[None]:
        """Report to a scope what the body, in this thread, uses."""
        ...
