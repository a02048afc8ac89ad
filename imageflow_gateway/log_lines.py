"""Log lines of executions, as REST, server-sent events and WebSockets have them."""

from datetime import datetime

from pydantic import BaseModel, Field

from imageflow_domain.execution_logs import ExecutionLine


class LogLineEntry(BaseModel):
    """A line that a step logged."""

    cursor: str = Field(examples=["1-17"])
    """`after` of what follows it."""
    attempt: int
    """Of the execution: how often an engine had taken it."""
    step: str | None = Field(examples=["scratches"])
    """`null` where no step logged it."""
    at: datetime
    level: str = Field(examples=["warning"])
    """debug, info, warning, error or critical. What containers write to standard error is info."""
    text: str

    @classmethod
    def of(cls, line: ExecutionLine) -> "LogLineEntry":
        """Return the entry of a line."""
        return cls(
            cursor=str(line.cursor),
            attempt=line.cursor.attempt,
            step=line.step or None,
            at=line.at,
            level=line.level,
            text=line.text,
        )
