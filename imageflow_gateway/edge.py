"""What every request and WebSocket goes through: an id, one log line, the security headers, HEAD, and the last net for
errors.
"""

import logging
import re
import time
import uuid
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from imageflow_gateway.errors import unexpected_message, unexpected_response
from imageflow_gateway.metrics import RequestMetrics

_LOG = logging.getLogger(__name__)

REQUEST_ID: Final = "x-request-id"
_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_CLOSED_REQUEST = 499
"""As nginx logs a client that went away."""

_INTERNAL_ERROR = 1011
"""WebSocket close code (RFC 6455, 7.4.1)."""


def content_security_policy(nonce: str | None = None) -> str:
    """Return what a page of ours may load: our own files, and style elements that bear `nonce`."""
    styles = f"'self' 'nonce-{nonce}'" if nonce else "'self'"
    # Leaflet keeps an empty picture as a data URL for tiles that it drops.
    return (
        f"default-src 'none'; script-src 'self'; style-src {styles}; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


_EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}
_READABLE_ELSEWHERE = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "ETag",
    "cross-origin-resource-policy": "cross-origin",
}
_OPEN_PREFIX = "/tiles/"


class Edge:
    """The outermost layer; everything below may raise."""

    def __init__(self, app: ASGIApp, requests: RequestMetrics) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer every request and end every WebSocket in order, also where an exception is raised below."""
        match scope["type"]:
            case "http":
                await _Exchange(self._app, self._requests, scope, receive, send).run()
            case "websocket":
                await _Connection(self._app, scope, receive, send).run()
            case _:
                await self._app(scope, receive, send)


class _Exchange:
    """One request and its answer."""

    def __init__(self, app: ASGIApp, requests: RequestMetrics, scope: Scope, receive: Receive, send: Send) -> None:
        self._id = _request_id(scope)
        self._app, self._scope, self._receive, self._send = app, scope, receive, send
        self._requests = requests
        self._begun = time.perf_counter()
        self._bodiless = scope["method"] == "HEAD"
        self._status: int | None = None
        self._bytes = 0

    async def run(self) -> None:
        # A HEAD is answered as its GET is, down to the length, by every route.
        inner = {**self._scope, "method": "GET"} if self._bodiless else self._scope
        try:
            await self._app(inner, self._receive, self._answer)
        except ClientDisconnect:
            self._status = self._status or _CLOSED_REQUEST
        except Exception:  # the last net: the client gets an answer and the log the reason
            _LOG.exception("unexpected error", extra={"fields": {"request_id": self._id}})
            if self._status is not None:
                raise
            await unexpected_response(self._id)(self._scope, self._receive, self._answer)
        finally:
            self._log(time.perf_counter() - self._begun)

    async def _answer(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._requests.answered(self._scope["method"], message["status"], time.perf_counter() - self._begun)
            headers = MutableHeaders(scope=message)
            headers[REQUEST_ID] = self._id
            headers.setdefault("cache-control", "no-cache")
            headers.setdefault("content-security-policy", content_security_policy())
            for name, value in _EVERYWHERE.items():
                headers[name] = value
            if self._scope["path"].startswith(_OPEN_PREFIX):
                headers.update(_READABLE_ELSEWHERE)
        elif self._bodiless:
            message = {**message, "body": b""}
        self._bytes += len(message.get("body", b""))
        await self._send(message)

    def _log(self, seconds: float) -> None:
        # The path alone: a query may carry what no log should keep.
        fields = {
            "request_id": self._id,
            "method": self._scope["method"],
            "path": self._scope["path"],
            "status": self._status,
            "bytes": self._bytes,
            "ms": round(seconds * 1000, 2),
        }
        _LOG.info("request", extra={"fields": fields})


class _Connection:
    """One WebSocket, from its handshake to its end."""

    def __init__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        self._id = _request_id(scope)
        self._app, self._receive, self._send = app, receive, send
        self._scope = {**scope, "state": {**scope.get("state", {}), "request_id": self._id}}
        self._begun = time.perf_counter()
        self._code: int | None = None

    async def run(self) -> None:
        try:
            await self._app(self._scope, self._from_client, self._to_client)
        except WebSocketDisconnect as gone:
            self._code = self._code or gone.code
        except Exception:  # noqa: BLE001 - the last net: the client gets a close code and the log the reason
            _LOG.exception("unexpected error", extra={"fields": {"request_id": self._id}})
            if self._code is None:
                reason = unexpected_message(self._id)
                await self._to_client({"type": "websocket.close", "code": _INTERNAL_ERROR, "reason": reason})
        finally:
            fields = {
                "request_id": self._id,
                "path": self._scope["path"],
                "code": self._code,
                "ms": round((time.perf_counter() - self._begun) * 1000, 2),
            }
            _LOG.info("connection", extra={"fields": fields})

    async def _from_client(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._code = message.get("code")
        return message

    async def _to_client(self, message: Message) -> None:
        if message["type"] == "websocket.close":
            self._code = message.get("code")
        await self._send(message)


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get(REQUEST_ID, "")
    return given if _GIVEN_ID.fullmatch(given) else uuid.uuid4().hex
