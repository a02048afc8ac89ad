"""How an execution stands, kept from event to event, in the shape that WebSockets send."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from imageflow_domain.events import BEGINNING, LoggedEvent
from imageflow_domain.executions import ExecutionRecord, ExecutionState, StepFacts
from imageflow_executions.history import ExecutionInFull
from imageflow_gateway.live.socket_messages import ExecutionProgress, SocketProblem, StepProgress

_RUNNING = "running"
_STATUS = {"done": "completed", "reused": "completed"}
"""As the documents call them; others have one name."""


class ProgressOf:
    """The progress of one execution; takes its events in their order.

    Args:
        record: For what does not change: the pipeline, its steps, the estimate.
    """

    def __init__(self, record: ExecutionRecord) -> None:
        self._record = record
        self._state = ExecutionState.QUEUED
        self._attempt = 0
        self._started_at: datetime | None = None
        self._steps: dict[str, StepProgress] = {}
        self._error: SocketProblem | None = None
        self.cursor = BEGINNING
        """Of the last event that it includes."""

    def at_snapshot(self, found: ExecutionInFull) -> ExecutionProgress:
        """Return how it stands by a snapshot."""
        record = found.record
        self._record, self._state, self._attempt = record, record.state, record.attempt
        self._started_at, self.cursor = record.started_at, found.cursor
        self._steps = {each.step: _step_of(each) for each in found.steps}
        if record.error is not None:
            error = record.error
            self._error = SocketProblem(code=error.code, message=error.message, details=_failed_step(error.step))
        return self.at(record.ended_at or datetime.now(UTC))

    def after(self, one: LoggedEvent) -> ExecutionProgress:
        """Return how it stands after an event."""
        data = one.event.data
        if one.event.kind == "state":
            self._take_state(data, one.created_at)
        else:
            self._steps[str(data["step"])] = _step(data)
        self.cursor = one.cursor
        return self.at(one.created_at)

    def at(self, at: datetime) -> ExecutionProgress:
        """Return how it stands at a time after its last event."""
        running = [step.step_name for step in self._steps.values() if step.status == _RUNNING]
        return ExecutionProgress(
            execution_id=self._record.id,
            pipeline_id=self._record.request.pipeline,
            current_step=running[-1] if running and not self._state.is_end else None,
            progress_percentage=self._percentage(len(self._steps) - len(running)),
            elapsed_time_ms=0.0 if self._started_at is None else _ms(at, self._started_at),
            estimated_remaining_ms=self._remaining_ms(at),
            step_results=list(self._steps.values()),
            state=self._state,
            attempt=self._attempt,
            cursor=str(self.cursor),
            error=self._error,
        )

    def _take_state(self, data: Mapping[str, Any], at: datetime) -> None:
        self._state = ExecutionState(data["state"])
        if data["attempt"] > self._attempt:
            self._attempt = data["attempt"]
            self._steps = {}
        if self._state is ExecutionState.RUNNING and self._started_at is None:
            self._started_at = at
        if error := data.get("error"):
            details = _failed_step(error["step"])
            self._error = SocketProblem(code=error["code"], message=error["message"], details=details)

    def _percentage(self, ended: int) -> float:
        if self._state is ExecutionState.COMPLETED:
            return 100.0
        return round(100 * ended / max(len(self._record.request.parameters), 1), 1)

    def _remaining_ms(self, at: datetime) -> float | None:
        if self._state.is_end:
            return 0.0
        estimated = self._record.estimated_end_at
        return None if estimated is None else max(0.0, _ms(estimated, at))


def _step_of(facts: StepFacts) -> StepProgress:
    return _step(
        {
            "step": facts.step,
            "status": facts.status,
            "seconds": facts.seconds,
            "error": facts.error or None,
            "resources": facts.resources.to_data(),
        }
    )


def _step(data: Mapping[str, Any]) -> StepProgress:
    """Return a step of what its event has."""
    status = data["status"]
    return StepProgress(
        step_name=data["step"],
        status=_STATUS.get(status, status),
        processing_time_ms=round(data["seconds"] * 1000, 3),
        error=data.get("error"),
        resources=data.get("resources", {}),
    )


def _failed_step(step: str) -> dict[str, Any]:
    return {"failed_step": step} if step else {}


def _ms(later: datetime, earlier: datetime) -> float:
    return round((later - earlier).total_seconds() * 1000, 3)
