"""A gateway whose answers a test decides: one that stops, hangs, or sends an execution's images one at a time."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

EXECUTION = UUID("019a0000-0000-7000-8000-000000000001")
ADDRESS = f"/api/v1/executions/{EXECUTION}"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a client sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def after(self) -> str:
        """The last event that a follower has."""
        return self.headers.get("last-event-id", "")


Answer = Callable[[Request], Iterator[bytes]]
"""Sends the parts of the body of an answer, whenever the test likes."""


@contextmanager
def stub_gateway(answer: Answer) -> Iterator[str]:
    """Give the address of a gateway that answers every request by `answer`, each on a thread of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(200)
            self.end_headers()
            for part in answer(Request(method=self.command, path=self.path, headers=headers, body=body)):
                self.wfile.write(part)

        do_POST = do_GET  # noqa: N815 - the name that the library calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def execution(state: str, outputs: Mapping[str, bytes] | None = None) -> bytes:
    """Return an execution as the gateway sends it."""
    facts: dict[str, Any] = {
        "execution_id": str(EXECUTION),
        "status": state,
        "pipeline": "live@1",
        "correlation_id": "",
        "attempt": 1,
        "estimated_completion_time": None,
        "error": None,
        "frames": None,
        "steps": [],
        "outputs": {
            name: {
                "sha256": hashlib.sha256(data).hexdigest(),
                "size": len(data),
                "media_type": "image/png",
                "kind": "encoded",
            }
            for name, data in (outputs or {}).items()
        },
    }
    return json.dumps(facts).encode()


def event(number: int, kind: str, **facts: Any) -> bytes:
    """Return an event of the execution."""
    return f"id: 1-{number}\nevent: {kind}\ndata: {json.dumps({'attempt': 1, **facts})}\n\n".encode()
