"""Events of an execution, pushed as they happen."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse

from imageflow_gateway.addresses import ExecutionId
from imageflow_gateway.live.executions_schema import ExecutionSnapshot, StateEvent, StepEvent
from imageflow_gateway.live.live_gateway import LiveGatewayDep
from imageflow_gateway.log_lines import LogLineEntry

router = APIRouter(prefix="/api/v1/executions/{execution}", tags=["executions"])


@router.get(
    "/events",
    summary="Changes of an execution as they happen",
    response_class=Response,
    responses={
        200: {
            "model": ExecutionSnapshot | StateEvent | StepEvent,
            "content": {"text/event-stream": {}},
            "description": "Server-sent events: `snapshot` at first, then `step` and `state`; the last one is an end.",
        },
        204: {"description": "The execution has ended, and the client has seen its end: do not ask again."},
    },
)
async def follow_execution(
    execution: ExecutionId,
    gateway: LiveGatewayDep,
    last_event_id: Annotated[str | None, Header(description="The id of the last event that the client got.")] = None,
) -> Response:
    """Every change once, in order, with Last-Event-ID from there on. Ends by itself when the execution has ended."""
    return _answer(await gateway.following.subscribe(execution, last_event_id))


@router.get(
    "/logs/events",
    summary="Log lines of an execution as they come",
    response_class=Response,
    responses={
        200: {
            "model": LogLineEntry,
            "content": {"text/event-stream": {}},
            "description": "Server-sent events: a `line` for each line that is there, and for each that comes.",
        },
        204: {"description": "The execution has ended, and the client has its last line: do not ask again."},
    },
)
async def follow_log(
    execution: ExecutionId,
    gateway: LiveGatewayDep,
    last_event_id: Annotated[str | None, Header(description="The id of the last line that the client got.")] = None,
) -> Response:
    """Every line once, in order, with Last-Event-ID from there on. Ends by itself when the execution has ended."""
    return _answer(await gateway.following.subscribe_to_log(execution, last_event_id))


def _answer(events: AsyncIterator[bytes] | None) -> Response:
    if events is None:
        return Response(status_code=204)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)
