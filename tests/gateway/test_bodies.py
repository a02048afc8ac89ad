"""Bodies have the limit of their own path, and however many parts they have, few files are open."""

import asyncio
import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import Request
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message

from imageflow_domain.access import LOCAL_OPERATOR
from imageflow_domain.errors import StoreUnavailable
from imageflow_edge.addresses import Addresses
from imageflow_edge.limits import SizeLimits
from imageflow_edge.proxies import trusted_networks
from imageflow_gateway.admitting import Admission
from imageflow_gateway.parts import cannot_hold, parts

V1 = "/api/v1"
OWN = Addresses(host="127.0.0.1", port=8080)
LIMITS = SizeLimits(default_bytes=10, own_bytes={f"{V1}/batches": 1000, "/api/v1/uploads/": 1000})


async def answered(app: Any, path: str, length: str) -> int:
    """Return the status that a request of a stated length is answered with."""
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        said.append(message)

    headers = [(b"host", b"127.0.0.1:8080"), (b"content-length", length.encode())]
    scope = {"type": "http", "scheme": "http", "method": "POST", "path": path, "headers": headers}
    await app(scope, receive, send)
    status: int = said[0]["status"]
    return status


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        (f"{V1}/batches", True),
        (f"{V1}/batches/stale", False),
        (f"{V1}/batches/7/retry", False),
        (f"{V1}/batches2", False),
        ("/api/v1/uploads/a/b/c.png", True),
        ("/api/v1/uploads", False),
        ("/api/other", False),
    ],
)
def test_only_the_path_that_takes_pictures_has_their_limit(path: str, taken: bool) -> None:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})

    app = Admission(inner, own=OWN, limits=LIMITS)
    assert asyncio.run(answered(app, path, "1000")) == (204 if taken else 413)
    assert asyncio.run(answered(app, path, "1001")) == 413
    assert asyncio.run(answered(app, path, "10")) == 204


@pytest.mark.parametrize("length", ["-1", "ten", "1e3", "9" * 30, "\u0661"])
def test_a_stated_length_that_is_no_number_is_refused(length: str) -> None:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it was let in")

    assert asyncio.run(answered(Admission(inner, own=OWN, limits=LIMITS), "/api/other", length)) == 400


def test_a_body_that_states_no_length_is_stopped_at_the_limit() -> None:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(3):
            await receive()

    async def endless() -> Message:
        return {"type": "http.request", "body": b"12345", "more_body": True}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    scope = {"type": "http", "scheme": "http", "method": "POST", "path": "/", "headers": [(b"host", b"127.0.0.1:8080")]}
    with pytest.raises(HTTPException) as refused:
        asyncio.run(Admission(inner, own=OWN, limits=LIMITS)(scope, endless, send))
    assert refused.value.status_code == 413


def test_of_two_lines_of_a_forwarded_header_the_nearest_proxys_is_used() -> None:
    seen: list[str] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(Headers(scope=scope)["host"])

    lines = [b"evil.example", b"maps.example.com"]
    headers = [(b"host", b"127.0.0.1:8080"), *((b"x-forwarded-host", line) for line in lines)]
    scope = {"type": "http", "scheme": "http", "method": "GET", "path": "/", "headers": headers, "client": ("::1", 1)}
    app = Admission(inner, own=OWN, limits=LIMITS, proxies=trusted_networks(("::1",)))
    asyncio.run(app(scope, None, None))  # type: ignore[arg-type]
    assert seen == ["maps.example.com"]


@pytest.mark.parametrize(
    ("origin", "is_admitted"), [("http://127.0.0.1:8080", True), ("http://evil.example", False), (None, True)]
)
def test_a_websocket_is_opened_to_our_own_pages_only(origin: str | None, is_admitted: bool) -> None:
    sent: list[Message] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        assert scope["state"]["principal"] == LOCAL_OPERATOR
        await send({"type": "websocket.accept"})

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"127.0.0.1:8080"), *([] if origin is None else [(b"origin", origin.encode())])]
    scope = {"type": "websocket", "scheme": "ws", "path": "/live", "headers": headers}
    asyncio.run(Admission(inner, own=OWN, limits=LIMITS)(scope, None, send))  # type: ignore[arg-type]
    (answer,) = sent
    assert (answer["type"], answer.get("code")) == (
        ("websocket.accept", None) if is_admitted else ("websocket.close", 4403)
    )


@contextmanager
def few_files() -> Iterator[None]:
    """Let this process open only some files more than it has open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(int(name) for name in os.listdir("/proc/self/fd")) + 30  # noqa: PTH208
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def form(bodies: list[bytes]) -> Request:
    """A request whose whole form comes in one chunk."""
    field = b'--x\r\nContent-Disposition: form-data; name="pictures"; filename="%d.png"\r\n\r\n%b\r\n'
    chunk = b"".join(field % (place, body) for place, body in enumerate(bodies)) + b"--x--\r\n"

    async def receive() -> Message:
        return {"type": "http.request", "body": chunk, "more_body": False}

    headers = [(b"content-type", b"multipart/form-data; boundary=x")]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


@pytest.mark.parametrize(
    "bodies", [[b"%d" % place for place in range(2000)], [bytes([place]) * 70_000 for place in range(60)]]
)
def test_however_many_parts_come_at_once_few_files_are_open(tmp_path: Path, bodies: list[bytes]) -> None:
    async def read() -> list[bytes]:
        found = []
        async for part in parts(form(bodies), most_bytes=100_000, scratch=tmp_path):
            found.append(part.file.read())
            assert part.size == len(found[-1])
        return found

    with few_files():
        assert asyncio.run(read()) == bodies


@pytest.mark.parametrize(
    ("number", "next_step"),
    [(errno.ENOSPC, "free some space"), (errno.EMFILE, "open more files"), (errno.EACCES, "write there")],
)
def test_an_upload_that_cannot_be_held_says_what_to_do_about_its_cause(number: int, next_step: str) -> None:
    error = cannot_hold(Path("/scratch"), OSError(number, os.strerror(number)))
    assert isinstance(error, StoreUnavailable)
    assert next_step in str(error)
    assert ("space" in str(error)) == (number == errno.ENOSPC)
