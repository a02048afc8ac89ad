"""Errors over HTTP: the one JSON shape that each has."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from imageflow_domain import errors as domain
from imageflow_edge.error_table import answer_for

_LOG = logging.getLogger(__name__)


class ErrorFacts(BaseModel):
    """What went wrong."""

    code: str = Field(examples=["NOT_FOUND"])
    message: str
    """What happened and what to do, as a message for people."""
    details: dict[str, Any] = Field(default_factory=dict)
    timestamp: datetime


class ErrorBody(BaseModel):
    """The shape of every error."""

    error: ErrorFacts


UNEXPECTED: Final = "INTERNAL_ERROR"
"""The code of an unexpected error."""

_HTTP_CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "TOO_LARGE"}
_LATER = frozenset({429, 503})
_RETRY_AFTER_S = 5

ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    422: {"model": ErrorBody, "description": "A part of the address or the body is wrong; `details` names each."},
    "default": {"model": ErrorBody, "description": "Any other error, in the same shape."},
}
"""For OpenAPI."""


def error_response(
    status: int,
    code: str,
    message: str,
    *,
    details: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return an error in the one JSON shape, which no cache keeps.

    Args:
        status: Of HTTP.
        code: For programs, in capitals.
        message: What happened and what to do, for people.
        details: More for programs; everything in it can be written as JSON.
        headers: Further ones, such as `Retry-After`.
    """
    body = ErrorBody(
        error=ErrorFacts(code=code, message=message, details=dict(details or {}), timestamp=datetime.now(UTC))
    )
    return JSONResponse(
        body.model_dump(mode="json"), status_code=status, headers={"cache-control": "no-store", **(headers or {})}
    )


def domain_response(error: domain.ImageFlowError) -> JSONResponse:
    """Answer an error of ours as the table says."""
    answer = answer_for(error)
    if answer.status >= 500:
        _LOG.warning("%s: %s", answer.code, error)
    return error_response(
        answer.status,
        answer.code,
        str(error),
        details=details_of(error),
        headers={"retry-after": str(_RETRY_AFTER_S)} if answer.status in _LATER else None,
    )


def unexpected_response(request_id: str) -> JSONResponse:
    """Answer an unexpected error: with the id under which it is logged, and nothing of its inside."""
    return error_response(
        500,
        UNEXPECTED,
        unexpected_message(request_id),
        details={"request_id": request_id},
    )


def unexpected_message(request_id: str) -> str:
    """Return what is said of an unexpected error, over any protocol."""
    return f"Something unexpected went wrong. The gateway's log has the reason under request id {request_id}."


def install(app: FastAPI) -> None:
    """Let an app answer every error in the one shape."""
    app.add_exception_handler(domain.ImageFlowError, _on_domain_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_error)


async def _on_domain_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, domain.ImageFlowError)  # noqa: S101 - registered for this class alone
    return domain_response(error)


async def _on_invalid_request(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class alone
    # The offending values stay out: they may be secrets, and they may not be JSON.
    fields = [
        {
            "field": ".".join(str(part) for part in fault["loc"]),
            "problem": str(fault["msg"]).removeprefix("Value error, "),
        }
        for fault in error.errors()
    ]
    listed = "; ".join(f"{fault['field']}: {fault['problem']}" for fault in fields)
    return error_response(422, "VALIDATION_FAILED", f"The request is not right: {listed}.", details={"fields": fields})


async def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    code = _HTTP_CODES.get(error.status_code, f"HTTP_{error.status_code}")
    message = {
        404: f"There is nothing at '{request.url.path}': /openapi.json lists every address.",
        405: f"'{request.url.path}' does not take {request.method}.",
    }.get(error.status_code, str(error.detail))
    headers = dict(error.headers or {})
    if headers.get("Allow") == "GET":
        headers["Allow"] = "GET, HEAD"  # the edge answers HEAD wherever GET is answered
    return error_response(error.status_code, code, message, headers=headers)


def details_of(error: domain.ImageFlowError) -> Mapping[str, Any]:
    """Return more of an error for programs: such as each fault, the key of an object."""
    if isinstance(error, (domain.BadFrames, domain.BadFileNames)):
        return {"files": [{"name": file.name, "reason": file.reason} for file in error.files]}
    if isinstance(error, domain.Faulty):
        return {"fields": [{"field": fault.path, "problem": fault.reason} for fault in error.faults]}
    if isinstance(error, domain.ModelRefused):
        return {"picture": error.picture}
    if isinstance(error, domain.JobDelayed):
        return {"job_id": error.job_id, "survey_id": error.survey_id, "status": "preparing"}
    if isinstance(error, (domain.ObjectMissing, domain.ObjectDamaged)):
        return {"key": error.key}
    return {}
