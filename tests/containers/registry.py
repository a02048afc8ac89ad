"""A registry of container images, as much of it as pushing and pulling need, in memory and on loopback."""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from uuid import uuid4


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    blobs: ClassVar[dict[str, tuple[bytes, str]]] = {}
    """Content and media type by digest or tag."""
    parts: ClassVar[dict[str, bytes]] = {}

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        if self.path == "/v2/":
            self._answer(200)
        elif name in self.blobs:
            data, kind = self.blobs[name]
            self._answer(200, data, {"Content-Type": kind, "Docker-Content-Digest": _digest(data)})
        else:
            self._answer(404)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

    def do_POST(self) -> None:
        self._answer(202, b"", {"Location": f"{self.path.rstrip('/')}/{uuid4().hex}"})

    def do_PATCH(self) -> None:
        name = self.path.partition("?")[0]
        self.parts[name] = self.parts.get(name, b"") + self._body()
        self._answer(202, b"", {"Location": name, "Range": f"0-{len(self.parts[name]) - 1}"})

    def do_PUT(self) -> None:
        name, data = self.path.partition("?")[0], self._body()
        if "/manifests/" in name:
            stored = (data, self.headers["Content-Type"])
            self.blobs[name.rpartition("/")[2]] = stored
        else:
            data = self.parts.pop(name, b"") + data
            stored = (data, "application/octet-stream")
        self.blobs[_digest(data)] = stored
        self._answer(201, b"", {"Docker-Content-Digest": _digest(data), "Location": name})

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _answer(self, status: int, data: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@contextmanager
def registry() -> Iterator[str]:
    """Serve a registry; give its host and port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def is_digest(text: str) -> bool:
    """Return whether a text is an image by its digest."""
    return re.fullmatch(r"[^@]+@sha256:[0-9a-f]{64}", text) is not None
