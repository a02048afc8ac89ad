"""Events of an execution: its state and its steps."""

import uuid

from imageflow_domain.events import Event
from imageflow_domain.executions import ExecutionError, ExecutionState, StepFacts

_MOST_CHARS = 300
"""Of an error's message; the execution itself has all of it."""


LOGGED = "log"
"""Kind of the event of new log lines, which are no change of an execution: only those wait for it who read the log."""


def subject_of(execution: uuid.UUID) -> str:
    """Return how the log calls an execution."""
    return f"execution/{execution}"


def state_changed(
    execution: uuid.UUID, state: ExecutionState, *, attempt: int, error: ExecutionError | None = None, reason: str = ""
) -> Event:
    """Return the event of an execution's new state.

    Args:
        execution: Its id.
        state: The new one.
        attempt: How often an engine has taken it by now.
        error: Why it failed.
        reason: Why it waits again, or was cancelled.
    """
    data: dict[str, object] = {"state": state, "attempt": attempt}
    if error is not None:
        data["error"] = {"code": error.code, "step": error.step, "message": error.message[:_MOST_CHARS]}
    if reason:
        data["reason"] = reason[:_MOST_CHARS]
    return Event(subject=subject_of(execution), kind="state", data=data)


def lines_logged(execution: uuid.UUID, *, attempt: int, last: int) -> Event:
    """Return the event of new log lines.

    Args:
        execution: Its id.
        attempt: Of the execution.
        last: Number of the newest line within the attempt.
    """
    return Event(subject=subject_of(execution), kind=LOGGED, data={"attempt": attempt, "last": last})


def step_changed(execution: uuid.UUID, facts: StepFacts, *, attempt: int) -> Event:
    """Return the event of a step that began or ended."""
    data: dict[str, object] = {
        "step": facts.step,
        "status": facts.status,
        "attempt": attempt,
        "seconds": round(facts.seconds, 6),
    }
    if len(facts.tries) > 1:
        data["tries"] = len(facts.tries)
    if facts.error:
        data["error"] = facts.error[:_MOST_CHARS]
    if resources := facts.resources.to_data():
        data["resources"] = resources
    return Event(subject=subject_of(execution), kind="step", data=data)
