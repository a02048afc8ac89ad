"""Executions: started, found again, cancelled, repeated, and their files."""

from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import AwareDatetime

from imageflow_domain.access import Principal
from imageflow_domain.errors import DatabaseUnavailable, InvalidInput
from imageflow_domain.events import BEGINNING
from imageflow_domain.execution_logs import BEGINNING_OF_LOG, LogCursor
from imageflow_domain.executions import ExecutionRecord, ExecutionState, ImageObject, Priority, parse_id
from imageflow_domain.ids import Name
from imageflow_executions import history, image_objects, logs, start
from imageflow_executions.start import StartRequest
from imageflow_gateway.addresses import ExecutionId, Limit
from imageflow_gateway.etags import content_digest, matches, quoted
from imageflow_gateway.gateway import Gateway, GatewayDep, PrincipalDep
from imageflow_gateway.ranges import ranged
from imageflow_gateway.rest.executions.execution_form import ExecutionForm, read_form
from imageflow_gateway.rest.executions.executions_schema import (
    ExecutionDetail,
    ExecutionList,
    ExecutionLog,
    ExecutionSummary,
    ProcessingAccepted,
)

PREFIX: Final = "/api/v1/executions"
PROCESS: Final = "/api/v1/pipeline/process"

router = APIRouter(tags=["executions"])


_After = Annotated[str | None, Query(max_length=36, description="`next` of the page before.")]
_Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", max_length=200, description="The same request with the same key is the same execution."
    ),
]
_Range = Annotated[str | None, Header(alias="Range", description="One range of bytes.")]
_Wait = Annotated[float, Query(ge=0, le=60, description="Seconds to wait for the end, which is then the answer.")]
_FILES: dict[int | str, dict[str, object]] = {
    200: {"content": {kind: {} for kind in ("image/png", "image/jpeg", "image/webp", "application/json")}},
    206: {"description": "A range of it."},
    416: {"description": "A range that lies behind its end."},
    304: {"description": "What the client has."},
}


def _body(*required: str, **fields: dict[str, object]) -> dict[str, Any]:
    shared: dict[str, dict[str, object]] = {
        "client_id": {"type": "string", "description": "What the client calls itself."},
        "correlation_id": {"type": "string", "description": "The client's own id of the request."},
    }
    schema = {"type": "object", "required": list(required), "properties": fields | shared}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


_FILE: dict[str, object] = {"type": "string", "format": "binary"}
_START_BODY = _body(
    image=_FILE | {"description": "The image, or one part for each input of the pipeline, under the input's name."},
    pipeline={"type": "string", "example": "scratches@1", "description": "name or name@version, as published."},
    spec={"type": "object", "description": "A whole spec, in place of a published pipeline."},
    parameters={
        "type": "object",
        "description": "Replaced parameters: step.parameter, or parameter where only one step has it, to its value.",
        "example": {"small.width_px": 800},
    },
    priority={"type": "string", "enum": ["low", "normal", "high"], "default": "normal"},
)
_PROCESS_BODY = _body(
    "image",
    "pipeline_config",
    image=_FILE,
    pipeline_config={
        "type": "object",
        "required": ["pipeline_id"],
        "properties": {
            "pipeline_id": {"type": "string", "example": "scratches@1"},
            "parameters": {"type": "object", "example": {"width_px": 800}},
            "priority": {"type": "string", "enum": ["low", "normal", "high"]},
        },
    },
)


@router.post(PROCESS, status_code=202, summary="Process an image", openapi_extra=_PROCESS_BODY)
async def process_image(
    request: Request, response: Response, gateway: GatewayDep, principal: PrincipalDep, key: _Key = None
) -> ProcessingAccepted:
    """Accept an image for a published pipeline. Its execution is found under the header `Location`."""
    async with _form(request, gateway) as form:
        record = await _started(gateway, form.start_request_of_config(key), form, principal)
    response.headers["location"] = _address(record.id)
    return ProcessingAccepted(execution_id=str(record.id), estimated_completion_time=record.estimated_end_at)


@router.post(
    PREFIX,
    status_code=202,
    summary="Start an execution",
    openapi_extra=_START_BODY,
    responses={200: {"model": ExecutionDetail, "description": "It ended while the request waited."}},
)
async def start_execution(
    request: Request,
    response: Response,
    gateway: GatewayDep,
    principal: PrincipalDep,
    wait: _Wait = 0,
    key: _Key = None,
) -> ExecutionDetail:
    """Start a published pipeline, or a spec that is sent along, on the images of the form.

    202 once everything is checked and stored; with `wait` 200 and the result, where it ends in that time.
    """
    async with _form(request, gateway) as form:
        record = await _started(gateway, form.start_request(key), form, principal)
    response.headers["location"] = _address(record.id)
    places = gateway.capacity.execution_followers
    if wait and (record.state.is_end or await gateway.ends.within_place(places, record.id, wait)):
        response.status_code = 200
    return await to_thread.run_sync(_accepted, gateway, record)


@router.get(PREFIX, summary="List executions")
def list_executions(
    gateway: GatewayDep,
    pipeline: Annotated[Name | None, Query(description="Only of this pipeline, in any version.")] = None,
    status: Annotated[ExecutionState | None, Query(description="Only those in this state.")] = None,
    priority: Annotated[Literal["low", "normal", "high"] | None, Query(description="Only of this priority.")] = None,
    client_id: Annotated[str | None, Query(max_length=200, description="Only of this client.")] = None,
    error: Annotated[
        str | None, Query(max_length=200, description='Only those whose error has these words: "...", or, -.')
    ] = None,
    since: Annotated[AwareDatetime | None, Query(description="Only those that were started from then on.")] = None,
    before: Annotated[AwareDatetime | None, Query(description="Only those that were started before.")] = None,
    after: _After = None,
    limit: Limit = 100,
) -> ExecutionList:
    """Newest first."""
    which = history.Filter(
        pipeline=pipeline,
        state=status,
        priority=Priority.parse(priority) if priority else None,
        client=client_id,
        error=error,
        since=since,
        before=before,
    )
    last = None if after is None else parse_id(after)
    page = gateway.use(history.list_executions)(which, after=last, limit=limit)
    return ExecutionList(executions=[ExecutionSummary.of(each) for each in page.items], next=page.next)


@router.get(PREFIX + "/{execution}", summary="One execution")
def read_execution(execution: ExecutionId, gateway: GatewayDep) -> ExecutionDetail:
    """Its state, steps, parameters and files."""
    return _in_full(gateway, execution)


@router.get(PREFIX + "/{execution}/logs", summary="Log lines of an execution")
def read_log(
    execution: ExecutionId,
    gateway: GatewayDep,
    after: Annotated[str | None, Query(max_length=20, description="`cursor` of the line before the first.")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000, description="How many at most.")] = 100,
) -> ExecutionLog:
    """What its steps logged, in order, those of earlier attempts first."""
    place = BEGINNING_OF_LOG if after is None else LogCursor.parse(after)
    if place is None:
        raise InvalidInput(f"'{after}' is no cursor of a line: send that of the last line that you have.")
    return ExecutionLog.of(gateway.use(logs.read_log)(execution, after=place, limit=limit))


@router.post(PREFIX + "/{execution}/cancel", status_code=202, summary="Cancel an execution")
def cancel_execution(execution: ExecutionId, gateway: GatewayDep) -> ExecutionDetail:
    """One that waits is cancelled at once, one that is worked on within two seconds; 409 where it has ended."""
    record = gateway.use(history.cancel_execution)(execution)
    return _in_full(gateway, record.id)


@router.post(PREFIX + "/{execution}/retry", status_code=202, summary="Execute again")
def retry_execution(
    execution: ExecutionId, response: Response, gateway: GatewayDep, principal: PrincipalDep
) -> ExecutionDetail:
    """Start a new execution of the same pipeline version, parameters and images; 409 before the former has ended."""
    record = gateway.use(start.repeat_execution)(execution, principal, protocol="rest")
    response.headers["location"] = _address(record.id)
    return _in_full(gateway, record.id)


@router.get(PREFIX + "/{execution}/inputs/{name}", summary="An input", response_class=Response, responses=_FILES)
def read_input(
    execution: ExecutionId,
    name: Name,
    gateway: GatewayDep,
    if_none_match: Annotated[str | None, Header()] = None,
    wanted: _Range = None,
) -> Response:
    """The bytes that the client sent."""
    record = gateway.use(history.get_record)(execution)
    stored = image_objects.find_object(record.inputs, name, "input")
    return _file(gateway, stored, if_none_match, wanted)


@router.get(PREFIX + "/{execution}/outputs/{name}", summary="An output", response_class=Response, responses=_FILES)
def read_output(
    execution: ExecutionId,
    name: Name,
    gateway: GatewayDep,
    if_none_match: Annotated[str | None, Header()] = None,
    wanted: _Range = None,
) -> Response:
    """Images as the pipeline encoded them, pixels as PNG without loss, everything else as JSON."""
    record = gateway.use(history.get_record)(execution)
    stored = image_objects.find_object(record.outputs, name, "output")
    return _file(gateway, stored, if_none_match, wanted)


def _form(request: Request, gateway: Gateway) -> AbstractAsyncContextManager[ExecutionForm]:
    return read_form(
        request, gateway.capacity.forms, most_bytes=gateway.settings.upload_limit_bytes, scratch=gateway.scratch
    )


async def _started(
    gateway: Gateway, start_request: StartRequest, form: ExecutionForm, principal: Principal
) -> ExecutionRecord:
    start_now = gateway.use(start.start_execution)

    def begin() -> ExecutionRecord:
        return start_now(start_request, form.images(), principal)

    return await to_thread.run_sync(begin, limiter=gateway.capacity.execution_images)


def _accepted(gateway: Gateway, record: ExecutionRecord) -> ExecutionDetail:
    """Return an execution as it is now; as it was accepted where it cannot be read: its client needs the id."""
    try:
        return _in_full(gateway, record.id)
    except DatabaseUnavailable:
        as_accepted = history.ExecutionInFull(record=record, steps=(), cursor=BEGINNING)
        return ExecutionDetail.in_full(as_accepted, _address(record.id))


def _in_full(gateway: Gateway, execution: UUID) -> ExecutionDetail:
    return ExecutionDetail.in_full(gateway.use(history.get_execution)(execution), _address(execution))


def _address(execution: UUID) -> str:
    return f"{PREFIX}/{execution}"


def _file(gateway: Gateway, stored: ImageObject, if_none_match: str | None, wanted: str | None) -> Response:
    headers = {
        "etag": quoted(stored.sha256),
        "content-digest": content_digest(bytes.fromhex(stored.sha256)),
        "cache-control": "private, max-age=31536000, immutable",
    }
    if matches(if_none_match, headers["etag"]):
        return Response(status_code=304, headers=headers)
    data = gateway.use(image_objects.read_object)(stored)
    return ranged(data, wanted, media_type=stored.media_type, headers=headers)
