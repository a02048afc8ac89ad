"""Who may change something: a request whose Host is ours, and whose Origin, if it has one, is that Host.

There are no logins yet. A page of another site must not write through its visitor's browser (CSRF), nor by letting
its own name point at this machine (DNS rebinding).
"""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from imageflow_clients.settings import EVERY_ADDRESS
from imageflow_domain.errors import Refused
from imageflow_gateway.errors import domain_response

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True)
class OwnAddress:
    """Where the gateway listens, and so what a Host header may say."""

    host: str
    port: int

    def is_named_by(self, host_header: str, scheme: str) -> bool:
        name, port = _name_and_port(f"{scheme}://{host_header}")
        return name is not None and port == self.port and self._knows(name)

    def _knows(self, name: str) -> bool:
        if name in _LOOPBACK or name == self.host.lower():
            return True
        # A rebound name is a name: whoever spells an address of this machine was not led here by another site.
        return self.host in EVERY_ADDRESS and (_is_address(name) or name == socket.gethostname().lower())


def check_write(own: OwnAddress, *, scheme: str, host: str, origin: str | None) -> None:
    """Let a write pass, or raise `Refused`.

    Args:
        scheme: Of the request, `http` or `https`.
        host: Its Host header; empty where it has none.
    """
    if not own.is_named_by(host, scheme):
        raise Refused(
            f"Writes are taken on this gateway's own address only, and '{host}' is not it: "
            f"use http://127.0.0.1:{own.port}."
        )
    if origin is not None and _origin(origin) != _origin(f"{scheme}://{host}"):
        raise Refused(f"Writes are taken from this gateway's own page only, not from '{origin}'.")


class WriteGuard:
    """Stops writes that come from elsewhere, before anything reads their body."""

    def __init__(self, app: ASGIApp, *, own: OwnAddress) -> None:
        self._app = app
        self._own = own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _READS:
            headers = Headers(scope=scope)
            try:
                check_write(
                    self._own, scheme=scope["scheme"], host=headers.get("host", ""), origin=headers.get("origin")
                )
            except Refused as error:
                await domain_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    name, port = _name_and_port(url)
    return urlsplit(url).scheme if name else "", name, port


def _name_and_port(url: str) -> tuple[str | None, int | None]:
    try:
        parts = urlsplit(url)
        return parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None, None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
