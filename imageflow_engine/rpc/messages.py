"""Values of ours as the messages of the service."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from imageflow.v1 import image_processing_pb2 as pb
from imageflow_domain.events import LoggedEvent
from imageflow_domain.execution_logs import ExecutionLine
from imageflow_domain.executions import ExecutionError, ExecutionRecord, ExecutionState, ImageObject, StepFacts
from imageflow_domain.resource_use import ResourceUse
from imageflow_engine.rpc import status
from imageflow_executions.execute import Executed
from imageflow_executions.history import ExecutionInFull
from imageflow_executions.logs import LogPage

_STATES = {
    ExecutionState.QUEUED: pb.EXECUTION_STATE_QUEUED,
    ExecutionState.RUNNING: pb.EXECUTION_STATE_RUNNING,
    ExecutionState.COMPLETED: pb.EXECUTION_STATE_COMPLETED,
    ExecutionState.FAILED: pb.EXECUTION_STATE_FAILED,
    ExecutionState.CANCELLED: pb.EXECUTION_STATE_CANCELLED,
}


def result(record: ExecutionRecord, outputs: Mapping[str, bytes] | None = None) -> pb.ProcessingResult:
    """Return an execution, with the bytes of its outputs where they are given."""
    made = pb.ProcessingResult(
        correlation_id=record.request.correlation,
        execution_id=str(record.id),
        state=_STATES[record.state],
        outputs=[_output(name, each, outputs) for name, each in record.outputs.items() if each is not None],
        absent_outputs=[name for name, each in record.outputs.items() if each is None],
        pipeline=record.request.pipeline,
        attempt=record.attempt,
    )
    if record.error is not None:
        made.error.CopyFrom(status.failure(record.error, {"execution_id": str(record.id)}))
    if record.frames is not None:
        made.frames.CopyFrom(pb.FrameCounts(**asdict(record.frames)))
    if record.estimated_end_at is not None:
        made.estimated_completion_time.FromDatetime(record.estimated_end_at)
    if record.started_at is not None and record.ended_at is not None:
        made.seconds = (record.ended_at - record.started_at).total_seconds()
    return made


def response(found: ExecutionInFull | Executed, outputs: Mapping[str, bytes] | None = None) -> pb.ProcessingResponse:
    """Return an execution with its steps, with the bytes of its outputs where they are given."""
    return pb.ProcessingResponse(
        result=result(found.record, outputs), steps=[_step_result(each) for each in found.steps]
    )


def event(one: ExecutionInFull | LoggedEvent) -> pb.ExecutionEvent:
    """Return a snapshot or an event of the log."""
    if isinstance(one, ExecutionInFull):
        return pb.ExecutionEvent(cursor=str(one.cursor), snapshot=response(one))
    at = Timestamp()
    at.FromDatetime(one.created_at)
    made = pb.ExecutionEvent(cursor=str(one.cursor), at=at)
    if one.event.kind == "state":
        made.state.CopyFrom(_state_change(one.event.data))
    else:
        made.step.CopyFrom(_step_change(one.event.data))
    return made


def log_lines(page: LogPage) -> pb.LogLines:
    """Return log lines."""
    return pb.LogLines(lines=map(_log_line, page.lines), is_end=page.is_end)


def _log_line(line: ExecutionLine) -> pb.LogLine:
    at = Timestamp()
    at.FromDatetime(line.at)
    return pb.LogLine(cursor=str(line.cursor), step=line.step, at=at, level=line.level, text=line.text)


def _output(name: str, stored: ImageObject, outputs: Mapping[str, bytes] | None) -> pb.OutputFile:
    data = None if outputs is None else outputs.get(name)
    return pb.OutputFile(
        name=name, sha256=stored.sha256, size=stored.size, media_type=stored.media_type, kind=stored.kind, data=data
    )


def _step_result(facts: StepFacts) -> pb.StepResult:
    return pb.StepResult(
        step=facts.step,
        status=facts.status,
        seconds=facts.seconds,
        tries=len(facts.tries),
        error=facts.error,
        resources=pb.ResourceUse(**facts.resources.to_data()),
    )


def _state_change(data: Mapping[str, Any]) -> pb.StateChange:
    made = pb.StateChange(
        state=_STATES[ExecutionState(data["state"])], attempt=data["attempt"], reason=data.get("reason", "")
    )
    if "error" in data:
        made.error.CopyFrom(status.failure(ExecutionError(**data["error"]), {}))
    return made


def _step_change(data: Mapping[str, Any]) -> pb.StepChange:
    step = pb.StepResult(
        step=data["step"],
        status=data["status"],
        seconds=data["seconds"],
        tries=data.get("tries", 1),
        error=data.get("error", ""),
        resources=pb.ResourceUse(**ResourceUse.of(data.get("resources", {})).to_data()),
    )
    return pb.StepChange(step=step, attempt=data["attempt"])
