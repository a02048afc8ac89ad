"""What a client called, where a trusted proxy forwards its calls: by `X-Forwarded-Proto` and `X-Forwarded-Host`."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imageflow_domain.errors import InvalidInput

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SCHEME, _AUTHORITY = "x-forwarded-proto", "x-forwarded-host"
FORWARDED = frozenset({_SCHEME, _AUTHORITY})
"""The headers that are used, in lower case."""


@dataclass(frozen=True, kw_only=True)
class Called:
    """Where a client called."""

    scheme: str
    authority: str
    """Host and port; empty where it names none."""


def trusted_networks(proxies: Sequence[str]) -> tuple[Network, ...]:
    """Return the networks of IMAGEFLOW_TRUSTED_PROXIES; raise `InvalidInput` for one that is wrong."""
    try:
        return tuple(ipaddress.ip_network(proxy) for proxy in proxies)
    except ValueError as error:
        raise InvalidInput(
            f"IMAGEFLOW_TRUSTED_PROXIES must be addresses or networks, like 10.0.0.5 or 10.0.0.0/24: {error}."
        ) from error


def as_called(received: Called, peer: str | None, forwarded: Mapping[str, str], trusted: Sequence[Network]) -> Called:
    """Return where the client called.

    Args:
        received: What the connection and its own headers say.
        peer: Address at the other end of the connection; `None` where it has none.
        forwarded: Headers by their names in lower case. Those of a peer that is no trusted proxy are not looked at:
            every client can send them.
        trusted: Networks of the proxies.

    Raises:
        InvalidInput: For a scheme that a trusted proxy cannot have been called with.
    """
    if not _is_in(peer, trusted):
        return received
    # Of a chain of proxies, the last value is the nearest proxy's own.
    scheme, authority = (
        forwarded.get(name, otherwise).rpartition(",")[2].strip()
        for name, otherwise in ((_SCHEME, received.scheme), (_AUTHORITY, received.authority))
    )
    if scheme not in {"http", "https"}:
        raise InvalidInput(f"The proxy at {peer} sends X-Forwarded-Proto '{scheme}': have it send http or https.")
    return Called(scheme=scheme, authority=authority)


def _is_in(peer: str | None, networks: Sequence[Network]) -> bool:
    if peer is None:
        return False
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return any(mapped in network for network in networks)
