"""Where clients reach this deployment: the address that a process listens on, and the public one of a proxy."""

import ipaddress
import socket
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from imageflow_clients.settings import EVERY_ADDRESS, Settings
from imageflow_domain.errors import InvalidInput

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches what listens on a host."""
    return host.lower() in _LOOPBACK


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Scheme, host and port, as browsers compare them."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> Self | None:
        """Return the origin of an address; `None` where it has none, such as for `null`."""
        try:
            parts = urlsplit(url)
            port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
        except ValueError:
            return None
        if parts.hostname is None or port is None or parts.scheme not in _DEFAULT_PORTS:
            return None
        return cls(scheme=parts.scheme, host=parts.hostname, port=port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Addresses under which clients may change something."""

    host: str
    """What the process listens on."""
    port: int
    public: Origin | None = None
    """Where a proxy serves it."""
    machine: str | None = None
    """The machine's name, by which it is called where `host` is every address of it."""

    def has(self, origin: Origin) -> bool:
        """Return whether a client that calls `origin` calls this deployment.

        A name that another site lets point at this machine (DNS rebinding) is none of its addresses.
        """
        return origin == self.public or (origin.port == self.port and self._is_own_host(origin.host))

    def _is_own_host(self, name: str) -> bool:
        if is_loopback(name) or name == self.host.lower():
            return True
        # A rebound name is a name: no other site leads a browser to an address of this machine.
        return self.host in EVERY_ADDRESS and (_is_address(name) or name == self.machine)


def own_addresses(settings: Settings, port: int) -> Addresses:
    """Return where clients reach a process that listens on a port of IMAGEFLOW_HOST."""
    return Addresses(
        host=settings.host,
        port=port,
        public=public_origin(settings.public_url),
        machine=socket.gethostname().lower(),
    )


def public_origin(url: str | None) -> Origin | None:
    """Return the origin of IMAGEFLOW_PUBLIC_URL.

    Raises `InvalidInput` for an address with a path: pages, tiles and API lie at the root.
    """
    if url is None:
        return None
    origin = Origin.parse(url)
    if origin is None or url.lower().removesuffix("/") not in _spellings(origin):
        # The value may hold a password, and stays out.
        raise InvalidInput("IMAGEFLOW_PUBLIC_URL must look like https://maps.example.com: no path, no account.")
    return origin


def _spellings(origin: Origin) -> set[str]:
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return {str(origin), f"{origin.scheme}://{host}:{origin.port}"}


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
