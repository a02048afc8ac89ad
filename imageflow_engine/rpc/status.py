"""Errors as gRPC has them: a status code, a message, and details for programs."""

from collections.abc import Iterator, Mapping

import grpc
from google.protobuf.any_pb2 import Any

from imageflow.v1.image_processing_pb2 import ErrorDetails, Status
from imageflow_domain import errors as domain
from imageflow_domain.executions import ExecutionError
from imageflow_edge.error_table import answer_for

_MESSAGE_BYTES = 600
"""Of a message: all metadata of an answer has to fit into 8 KiB. The message is in it three times, once in
percent-encoding, in which a byte may take three, and twice in base64."""

_MOST_FIELDS = 8
_FIELD_BYTES = 160
"""Of a name, and of a value."""

_CUT = " ..."
_RETRY_AFTER_S = 5
_LATER = frozenset({"UNAVAILABLE", "RESOURCE_EXHAUSTED"})


def code_of(error: domain.ImageFlowError) -> grpc.StatusCode:
    """Return the status code of an error."""
    return grpc.StatusCode[answer_for(error).grpc]


def details_of(error: domain.ImageFlowError) -> ErrorDetails:
    """Return the details of an error of ours."""
    answer = answer_for(error)
    metadata = dict(_fields(error))
    if answer.grpc in _LATER and not isinstance(error, domain.TooLarge):
        metadata["retry_after"] = str(_RETRY_AFTER_S)
    return ErrorDetails(code=answer.code, message=_short(str(error), _MESSAGE_BYTES), metadata=metadata)


def unexpected(call_id: str) -> ErrorDetails:
    """Return the details of an unexpected error: the id under which it is logged, and nothing of its inside."""
    return ErrorDetails(
        code="INTERNAL_ERROR",
        message=f"Something unexpected went wrong. The engine's log has the reason under request id {call_id}.",
        metadata={"request_id": call_id},
    )


def failure(error: ExecutionError, metadata: Mapping[str, str]) -> ErrorDetails:
    """Return why an execution failed."""
    step = {"failed_step": error.step} if error.step else {}
    return ErrorDetails(code=error.code, message=error.message, metadata={**metadata, **step})


def status_details(code: grpc.StatusCode, details: ErrorDetails) -> bytes:
    """Return what the metadata `grpc-status-details-bin` holds."""
    packed = Any()
    packed.Pack(details)
    return Status(code=code.value[0], message=details.message, details=[packed]).SerializeToString()


def _fields(error: domain.ImageFlowError) -> Iterator[tuple[str, str]]:
    if isinstance(error, domain.Faulty):
        for fault in error.faults[:_MOST_FIELDS]:
            yield _short(fault.path, _FIELD_BYTES), _short(fault.reason, _FIELD_BYTES)
    if isinstance(error, (domain.ObjectMissing, domain.ObjectDamaged)):
        yield "key", _short(error.key, _FIELD_BYTES)


def _short(text: str, most_bytes: int) -> str:
    data = text.encode(errors="replace")
    if len(data) <= most_bytes:
        return data.decode()
    return data[: most_bytes - len(_CUT)].decode(errors="ignore") + _CUT
