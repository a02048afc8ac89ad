"""Who may call what: one decision for every protocol, before anything reads what a client sends."""

from dataclasses import dataclass

from imageflow_domain.access import LOCAL_OPERATOR, Principal
from imageflow_domain.errors import Forbidden, TooLarge
from imageflow_edge.addresses import Addresses, Origin


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What a call asks for."""

    name: str
    """For messages and logs, e.g. `POST /api/jobs`."""
    is_write: bool
    """Whether it may change something, or opens a channel on which a client may."""
    most_bytes: int
    """Bytes that a client may send with it."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a client, by whatever protocol."""

    scheme: str
    """`http` or `https`, as the client sees it."""
    authority: str
    """Host and port that the client called; empty where it names none."""
    origin: str | None
    """Of the web page that calls; `None` where it is another program."""
    credentials: str | None
    """What the client proves itself with. Nothing checks it before there are logins."""
    operation: Operation
    size_bytes: int | None
    """Bytes that the client announces; `None` where it announces none."""


def admit(call: Call, own: Addresses) -> Principal:
    """Return on whose behalf a call is made.

    There are no logins yet, so a web page of another site must not write through the browser of a visitor (CSRF),
    nor by letting its own name point at this machine (DNS rebinding).

    Raises:
        Forbidden: For a write that does not come from this deployment's own pages, or to its own address.
        TooLarge: For more bytes than the operation takes.
    """
    if call.operation.is_write:
        _check_write(call, own)
    if call.size_bytes is not None and call.size_bytes > call.operation.most_bytes:
        raise TooLarge(too_large(call.operation))
    return LOCAL_OPERATOR


def too_large(operation: Operation) -> str:
    """Return the message of a body beyond its limit, also of one that announces no size."""
    return f"The body is larger than the {operation.most_bytes:,} bytes that are taken here: send less at once."


def _check_write(call: Call, own: Addresses) -> None:
    called = Origin.parse(f"{call.scheme}://{call.authority}")
    if called is None or not own.has(called):
        ours = own.public or f"http://127.0.0.1:{own.port}"
        raise Forbidden(
            f"Writes are taken on this deployment's own address only, not on '{call.scheme}://{call.authority}': use "
            f"{ours}. Behind a proxy, set IMAGEFLOW_PUBLIC_URL and IMAGEFLOW_TRUSTED_PROXIES."
        )
    if call.origin is not None and Origin.parse(call.origin) != called:
        raise Forbidden(f"Writes are taken from this deployment's own pages only, not from '{call.origin}'.")
