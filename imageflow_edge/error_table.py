"""The one table from error to what clients of each protocol get."""

from collections.abc import Mapping
from dataclasses import dataclass

from imageflow_domain import errors as domain

_CLOSE_BASE = 4000


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How one class of errors is answered."""

    status: int
    """HTTP status."""
    code: str
    """For programs: stays when a message changes."""
    grpc: str
    """Name of gRPC's status code."""

    @property
    def close(self) -> int:
        """WebSocket close code: 4000 and the HTTP status, from the range for applications (RFC 6455, 7.4.2)."""
        return _CLOSE_BASE + self.status


TABLE: Mapping[type[domain.ImageFlowError], Answer] = {
    domain.InvalidInput: Answer(status=400, code="INVALID_INPUT", grpc="INVALID_ARGUMENT"),
    domain.Faulty: Answer(status=422, code="VALIDATION_FAILED", grpc="INVALID_ARGUMENT"),
    domain.WrongSettings: Answer(status=400, code="INVALID_INPUT", grpc="INVALID_ARGUMENT"),
    domain.ModelRefused: Answer(status=422, code="MODEL_REFUSED", grpc="INVALID_ARGUMENT"),
    domain.BadFrames: Answer(status=400, code="BAD_FRAMES", grpc="INVALID_ARGUMENT"),
    domain.TooLarge: Answer(status=413, code="TOO_LARGE", grpc="RESOURCE_EXHAUSTED"),
    domain.Unauthenticated: Answer(status=401, code="UNAUTHENTICATED", grpc="UNAUTHENTICATED"),
    domain.Forbidden: Answer(status=403, code="FORBIDDEN", grpc="PERMISSION_DENIED"),
    domain.NotFound: Answer(status=404, code="NOT_FOUND", grpc="NOT_FOUND"),
    domain.ObjectMissing: Answer(status=404, code="OBJECT_MISSING", grpc="NOT_FOUND"),
    domain.ObjectDamaged: Answer(status=404, code="OBJECT_DAMAGED", grpc="DATA_LOSS"),
    domain.Gone: Answer(status=410, code="GONE", grpc="NOT_FOUND"),
    domain.EventsForgotten: Answer(status=410, code="EVENTS_FORGOTTEN", grpc="OUT_OF_RANGE"),
    domain.Outdated: Answer(status=412, code="OUTDATED", grpc="ABORTED"),
    domain.VersionMissing: Answer(status=428, code="PRECONDITION_REQUIRED", grpc="FAILED_PRECONDITION"),
    domain.SampleForgotten: Answer(status=404, code="SAMPLE_FORGOTTEN", grpc="NOT_FOUND"),
    domain.Superseded: Answer(status=409, code="SUPERSEDED", grpc="ABORTED"),
    domain.Conflict: Answer(status=409, code="CONFLICT", grpc="ALREADY_EXISTS"),
    domain.NotReady: Answer(status=409, code="NOT_READY", grpc="FAILED_PRECONDITION"),
    domain.TooManyRequests: Answer(status=429, code="TOO_MANY_REQUESTS", grpc="RESOURCE_EXHAUSTED"),
    domain.BadGateway: Answer(status=502, code="BAD_GATEWAY", grpc="UNAVAILABLE"),
    domain.Unavailable: Answer(status=503, code="UNAVAILABLE", grpc="UNAVAILABLE"),
    domain.Overloaded: Answer(status=503, code="OVERLOADED", grpc="RESOURCE_EXHAUSTED"),
    domain.StoreUnavailable: Answer(status=503, code="STORE_UNAVAILABLE", grpc="UNAVAILABLE"),
    domain.DatabaseUnavailable: Answer(status=503, code="DATABASE_UNAVAILABLE", grpc="UNAVAILABLE"),
    domain.DagsterUnavailable: Answer(status=503, code="DAGSTER_UNAVAILABLE", grpc="UNAVAILABLE"),
    domain.JobDelayed: Answer(status=503, code="JOB_DELAYED", grpc="UNAVAILABLE"),
    domain.CaptureError: Answer(status=503, code="CAPTURE_FAILED", grpc="UNAVAILABLE"),
    domain.GameMissing: Answer(status=503, code="GAME_MISSING", grpc="FAILED_PRECONDITION"),
    domain.Timeout: Answer(status=504, code="TIMEOUT", grpc="DEADLINE_EXCEEDED"),
    domain.Cancelled: Answer(status=500, code="CANCELLED", grpc="CANCELLED"),
    domain.ImageFlowError: Answer(status=500, code="FAILED", grpc="INTERNAL"),
}
"""An error that is not listed is answered as its nearest parent is."""


def answer_for(error: domain.ImageFlowError) -> Answer:
    """Return how an error is answered."""
    return next(TABLE[cls] for cls in type(error).__mro__ if cls in TABLE)
