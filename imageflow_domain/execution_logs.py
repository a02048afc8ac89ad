"""Log lines of executions: what their components logged, numbered within each attempt."""

import re
from dataclasses import dataclass
from datetime import datetime

_CURSOR = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")


@dataclass(frozen=True, kw_only=True, order=True)
class LogCursor:
    """The place of a line among all lines of its execution. Later lines have greater cursors."""

    attempt: int
    """Of the execution: how often an engine had taken it."""
    number: int
    """Within the attempt, from 1 without gaps."""

    def __str__(self) -> str:
        return f"{self.attempt}-{self.number}"

    @classmethod
    def parse(cls, text: str) -> "LogCursor | None":
        """Return the cursor that `str` gave; `None` for any other text."""
        found = _CURSOR.fullmatch(text)
        return None if found is None else cls(attempt=int(found[1]), number=int(found[2]))


BEGINNING_OF_LOG = LogCursor(attempt=0, number=0)
"""Before the first line of any execution."""


@dataclass(frozen=True, kw_only=True)
class ExecutionLine:
    """A line that a step of an execution logged."""

    cursor: LogCursor
    step: str
    """Empty where no step logged it."""
    at: datetime
    level: str
    """`debug`, `info`, `warning`, `error` or `critical`."""
    text: str
