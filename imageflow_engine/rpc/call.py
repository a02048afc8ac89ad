"""What every call goes through: admission, limits, the error table, one log line."""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from imageflow.v1.image_processing_pb2 import ErrorDetails
from imageflow.v1.limits import KEY, MOST_MESSAGE_BYTES, STATUS_DETAILS
from imageflow_domain.access import Principal
from imageflow_domain.errors import Cancelled, ImageFlowError, InvalidInput, Timeout
from imageflow_edge.addresses import Addresses
from imageflow_edge.admission import Call as EdgeCall
from imageflow_edge.admission import Operation, admit
from imageflow_engine.rpc import status

_LOG = logging.getLogger(__name__)

MESSAGE_WITHIN_S = 30.0
"""From the moment at which a message is awaited until all of it is there, and for the client to read an answer: one
that is slow holds a place."""

M = TypeVar("M", bound=Message)


class Call:
    """One call, whose messages are read and written one at a time."""

    def __init__(self, context: Any, principal: Principal, key: str | None) -> None:
        self._context = context
        self._writing = asyncio.Lock()
        self.principal = principal
        self.key = key
        """The client's idempotency key; `None` without."""

    @property
    def left_s(self) -> float | None:
        """Seconds until the client's deadline; `None` without one."""
        left: float | None = self._context.time_remaining()
        return left

    async def receive(self, kind: type[M], *, within_s: float = MESSAGE_WITHIN_S) -> M | None:
        """Return the next message; `None` where the client sends no more.

        Raises `InvalidInput` for bytes that are no such message, `Timeout` where it takes longer.
        """
        try:
            async with asyncio.timeout(within_s):
                data = await self._context.read()
        except TimeoutError:
            raise Timeout(f"No message within {within_s:.0f} s: send the rest of it sooner, or end the call.") from None
        if data is grpc.aio.EOF:
            return None
        try:
            return kind.FromString(data)
        except DecodeError as error:
            raise InvalidInput(f"A message is no {kind.DESCRIPTOR.name} of the service's .proto.") from error

    async def only(self, kind: type[M]) -> M:
        """Return the one message of a call that has one; raise as `receive` does."""
        message = await self.receive(kind)
        if message is None:
            raise InvalidInput(f"The call has no message: send one {kind.DESCRIPTOR.name}.")
        return message

    async def send(self, message: Message) -> None:
        """Send a message once the client has room for it.

        Raises `Timeout` where it does not read for too long, `Cancelled` where it has left or this engine stops.
        """
        async with self._writing:
            try:
                async with asyncio.timeout(MESSAGE_WITHIN_S):
                    await self._context.write(message.SerializeToString())
            except TimeoutError:
                raise Timeout(f"An answer was not read within {MESSAGE_WITHIN_S:.0f} s: read the answers.") from None
            except grpc.aio.BaseError:
                raise Cancelled("The client has left, or this engine stops.") from None


@dataclass(frozen=True, kw_only=True)
class Method:
    """One method of the service."""

    name: str
    answer: Callable[[Call], Awaitable[None]]
    is_write: bool


def handler(method: Method, own: Addresses) -> "grpc.RpcMethodHandler":
    """Return what gRPC calls.

    All methods stream in both directions here, which clients do not see: a call is admitted before its first message
    is read, and that message is awaited for a limited time.
    """

    async def answer(_: object, context: Any) -> None:
        begun_s, call_id = time.perf_counter(), uuid.uuid4().hex
        code = grpc.StatusCode.CANCELLED
        try:
            await method.answer(_admitted(method, own, context))
            code = grpc.StatusCode.OK
        except ImageFlowError as error:
            code = status.code_of(error)
            _refuse(context, code, status.details_of(error))
        except Exception:  # noqa: BLE001 - the last net: the client gets an answer and the log the reason
            _LOG.exception("unexpected error", extra={"fields": {"request_id": call_id}})
            code = grpc.StatusCode.INTERNAL
            _refuse(context, code, status.unexpected(call_id))
        finally:
            _log(method, call_id, code, time.perf_counter() - begun_s)

    return grpc.stream_stream_rpc_method_handler(answer)


def _admitted(method: Method, own: Addresses, context: Any) -> Call:
    metadata = {name: value for name, value in context.invocation_metadata() or () if isinstance(value, str)}
    principal = admit(
        EdgeCall(
            scheme="http",
            # gRPC does not tell us what the client called. No page can call it by a rebound name: browsers speak
            # HTTP/2 over TLS alone, and a proxy that translates for them passes their Origin on.
            authority=f"127.0.0.1:{own.port}",
            origin=metadata.get("origin"),
            credentials=metadata.get("authorization"),
            operation=Operation(name=f"gRPC {method.name}", is_write=method.is_write, most_bytes=MOST_MESSAGE_BYTES),
            size_bytes=None,  # gRPC itself refuses longer messages, and calls announce no size
        ),
        own,
    )
    return Call(context, principal, metadata.get(KEY))


def _refuse(context: Any, code: grpc.StatusCode, details: ErrorDetails) -> None:
    context.set_code(code)
    context.set_details(details.message)
    context.set_trailing_metadata(((STATUS_DETAILS, status.status_details(code, details)),))


def _log(method: Method, call_id: str, code: grpc.StatusCode, seconds: float) -> None:
    fields = {"request_id": call_id, "method": method.name, "code": code.name, "ms": round(seconds * 1000, 2)}
    _LOG.info("call", extra={"fields": fields})
