"""Which protocol suits whom: the documents' table, and what this deployment serves of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Use(StrEnum):
    """What a client wants."""

    REALTIME = "realtime"
    BATCH = "batch"
    SYSTEM = "system"
    BROWSER = "browser"
    STORAGE = "storage"
    SERVICE = "service"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One row of the table."""

    use: Use
    protocol: str
    """As the table has it."""
    reason: str
    is_served: bool
    instead: str
    """What to use here: the protocol itself where it is served."""


SECOND_BYTES = 16 * 2**20
"""An image of more bytes is sent, decoded and processed in more than a second: no real-time work."""

_ROWS = (
    (Use.REALTIME, "grpc", "Low latency, streams and binary messages: live pictures, cameras."),
    (Use.BATCH, "rest", "Reliable, simple to integrate, plain HTTP: many images, existing systems."),
    (Use.SYSTEM, "kafka", "High throughput in order, for systems that do not wait for each other."),
    (Use.BROWSER, "websocket", "Both ways, at once, with little overhead: progress on pages."),
    (Use.STORAGE, "s3", "The standard of object stores, which outputs lie in."),
    (Use.SERVICE, "grpc", "Typed and fast between services."),
)
_INSTEAD = {"kafka": "rest", "s3": "rest"}
"""What serves for what is not there: requests with idempotency keys, and outputs by their addresses."""


def table(*, has_grpc: bool) -> Sequence[Choice]:
    """Return the whole table."""
    return tuple(_row(use, protocol, reason, has_grpc=has_grpc) for use, protocol, reason in _ROWS)


def recommend(use: Use, size_bytes: int, *, has_grpc: bool) -> Choice:
    """Return the row for a client and the size of its images."""
    if use in (Use.REALTIME, Use.SERVICE) and size_bytes > SECOND_BYTES:
        reason = f"An image of more than {SECOND_BYTES:,} bytes takes more than a second: it is a batch of one."
        return Choice(use=use, protocol="rest", reason=reason, is_served=True, instead="rest")
    return next(row for row in table(has_grpc=has_grpc) if row.use is use)


def _row(use: Use, protocol: str, reason: str, *, has_grpc: bool) -> Choice:
    instead = "rest" if protocol == "grpc" and not has_grpc else _INSTEAD.get(protocol, protocol)
    return Choice(use=use, protocol=protocol, reason=reason, is_served=instead == protocol, instead=instead)
