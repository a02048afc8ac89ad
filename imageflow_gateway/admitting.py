"""HTTP requests and WebSocket handshakes become calls that the edge admits, or refuses before anything is read."""

from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imageflow_domain.errors import ImageFlowError, InvalidInput
from imageflow_edge.addresses import Addresses
from imageflow_edge.admission import Call, Operation, admit, too_large
from imageflow_edge.error_table import answer_for
from imageflow_edge.limits import SizeLimits
from imageflow_edge.proxies import FORWARDED, Called, Network, as_called
from imageflow_gateway.errors import domain_response

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_SECURE = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
"""The scheme of a page that makes such a request."""


class Admission:
    """Admits a request on behalf of a principal, which `request.state.principal` holds from then on.

    Args:
        own: Where clients reach this deployment.
        limits: Of bodies, by path.
        proxies: Networks whose `X-Forwarded-*` headers say what the client called.
    """

    def __init__(self, app: ASGIApp, *, own: Addresses, limits: SizeLimits, proxies: Sequence[Network] = ()) -> None:
        self._app = app
        self._own = own
        self._limits = limits
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an admitted call on. A refused one is answered by the error table, a WebSocket with its close code."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            scope = self._as_called(scope)
            call = self._call(scope)
            principal = admit(call, self._own)
        except ImageFlowError as error:
            await _refuse(error, scope, receive, send)
            return
        scope["state"] = {**scope.get("state", {}), "principal": principal}
        await self._app(scope, _bounded(receive, call.operation), send)

    def _as_called(self, scope: Scope) -> Scope:
        """Return the scope as the client would have opened it without the proxy between."""
        headers = Headers(scope=scope)
        received = Called(scheme=_SECURE[scope["scheme"]], authority=headers.get("host", ""))
        peer = scope["client"][0] if scope.get("client") else None
        # Of several lines of a header, the last one is the nearest proxy's.
        forwarded = {name: ",".join(headers.getlist(name)) for name in set(headers) & FORWARDED}
        called = as_called(received, peer, forwarded, self._proxies)
        if called == received:
            return scope
        changed = MutableHeaders(raw=[*scope["headers"]])
        changed["host"] = called.authority
        secure = {"http": {"http": "http", "https": "https"}, "websocket": {"http": "ws", "https": "wss"}}
        return {**scope, "scheme": secure[scope["type"]][called.scheme], "headers": changed.raw}

    def _call(self, scope: Scope) -> Call:
        headers = Headers(scope=scope)
        is_socket = scope["type"] == "websocket"
        method = "GET" if is_socket else scope["method"]
        # Any page could open a WebSocket and write on it with its visitor's browser.
        is_write = is_socket or method not in _READS
        return Call(
            scheme=_SECURE[scope["scheme"]],
            authority=headers.get("host", ""),
            origin=headers.get("origin"),
            credentials=headers.get("authorization"),
            operation=Operation(
                name=f"{method} {scope['path']}", is_write=is_write, most_bytes=self._limits.of(scope["path"])
            ),
            size_bytes=_announced(headers),
        )


def _announced(headers: Headers) -> int | None:
    stated = headers.get("content-length")
    if stated is None:
        return None
    if not stated.isascii() or not stated.isdigit() or len(stated) > 20:
        raise InvalidInput(f"The header Content-Length is '{stated[:20]}', and must be a number of bytes.")
    return int(stated)


def _bounded(receive: Receive, operation: Operation) -> Receive:
    """Return a `receive` that stops once the body exceeds the operation's limit."""
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b"")) if message["type"] == "http.request" else 0
        if taken > operation.most_bytes:
            # FastAPI reads JSON bodies under a net that lets no other class through.
            raise HTTPException(413, too_large(operation))
        return message

    return bounded


async def _refuse(error: ImageFlowError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": answer_for(error).close, "reason": str(error)[:120]})
    else:
        await domain_response(error)(scope, receive, send)
