"""What is said of a receiver that takes no message."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from imageflow_clients.webhooks import Webhooks
from imageflow_domain.errors import BadGateway, Timeout, Unavailable
from services.child import free_port

SECRET = "s" * 16


class _Refusing(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(500)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _refusing() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Refusing) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/alerts"
        finally:
            server.shutdown()
            thread.join()


def test_a_receiver_that_answers_with_an_error_is_a_bad_gateway() -> None:
    with _refusing() as address, pytest.raises(BadGateway, match="did not take the alert: it answered 500"):
        Webhooks([address], SECRET).post(address, b"{}")


def test_a_receiver_that_never_answers_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/alerts"
        with pytest.raises(Timeout, match=r"within 0\.2 s"):
            Webhooks([address], SECRET, timeout_s=0.2).post(address, b"{}")


def test_a_receiver_that_cannot_be_reached_is_unavailable_and_neither_of_both() -> None:
    address = f"http://127.0.0.1:{free_port()}/alerts"
    with pytest.raises(Unavailable, match="did not take the alert") as failed:
        Webhooks([address], SECRET).post(address, b"{}")
    assert type(failed.value) is Unavailable
