"""Errors of a server as errors of ours, by their code, which is the same over every protocol."""

from imageflow_domain import errors

_KINDS: dict[str, type[errors.ImageFlowError]] = {
    "INVALID_INPUT": errors.InvalidInput,
    "VALIDATION_FAILED": errors.InvalidInput,
    "MODEL_REFUSED": errors.InvalidInput,
    "BAD_FRAMES": errors.InvalidInput,
    "TOO_LARGE": errors.TooLarge,
    "UNAUTHENTICATED": errors.Unauthenticated,
    "FORBIDDEN": errors.Forbidden,
    "NOT_FOUND": errors.NotFound,
    "OBJECT_MISSING": errors.NotFound,
    "OBJECT_DAMAGED": errors.NotFound,
    "GONE": errors.Gone,
    "EVENTS_FORGOTTEN": errors.EventsForgotten,
    "OUTDATED": errors.Outdated,
    "PRECONDITION_REQUIRED": errors.VersionMissing,
    "SAMPLE_FORGOTTEN": errors.SampleForgotten,
    "SUPERSEDED": errors.Superseded,
    "CONFLICT": errors.Conflict,
    "NOT_READY": errors.NotReady,
    "TOO_MANY_REQUESTS": errors.TooManyRequests,
    "BAD_GATEWAY": errors.BadGateway,
    "UNAVAILABLE": errors.Unavailable,
    "OVERLOADED": errors.Overloaded,
    "STORE_UNAVAILABLE": errors.Unavailable,
    "DATABASE_UNAVAILABLE": errors.Unavailable,
    "DAGSTER_UNAVAILABLE": errors.Unavailable,
    "JOB_DELAYED": errors.Unavailable,
    "CAPTURE_FAILED": errors.Unavailable,
    "GAME_MISSING": errors.GameMissing,
    "TIMEOUT": errors.Timeout,
    "CANCELLED": errors.Cancelled,
    "FAILED": errors.ImageFlowError,
}

MAY_PASS = (errors.Unavailable, errors.TooManyRequests)
"""UNAVAILABLE, DEADLINE_EXCEEDED and RESOURCE_EXHAUSTED, and what is the same over HTTP. A message that is too large is
RESOURCE_EXHAUSTED too, but stays too large."""


def failure(code: str, message: str, *, otherwise: type[errors.ImageFlowError]) -> errors.ImageFlowError:
    """Return the error of a code that a server sent; `otherwise` is for a code that this version does not know."""
    return _KINDS.get(code, otherwise)(message)
