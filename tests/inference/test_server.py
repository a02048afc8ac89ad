"""What only a server brings: it may be down, hold something else, or speak nonsense."""

import http.server
import json
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import numpy as np
import pytest

from imageflow_clients.inference.stored_models import ModelStore
from imageflow_clients.inference.triton import Server, TritonModels, TritonSession
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import BadGateway, InvalidInput, NotFound, Timeout, Unavailable
from services.child import free_port
from services.kserve import KServe
from tests.inference.conftest import HEAT
from tests.inference.onnx_models import SIDE, card, mean_heat, pictures, sample


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A server that says one thing."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def keeping(port: int, *, together: int = 1) -> Iterator[None]:
    """A server that keeps connections open, until it ends; the first `together` requests wait for each other."""
    opened: list[socket.socket] = []
    all_here = threading.Barrier(together)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            opened.append(self.connection)

        def do_GET(self) -> None:
            all_here.wait(20)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        for connection in opened:
            with suppress(OSError):  # it may have been closed by the client
                connection.shutdown(socket.SHUT_RDWR)


def test_a_server_that_is_down_is_said_to_be_down(registered: ModelStore) -> None:
    models = TritonModels(registered, Server(f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(Unavailable, match=r"does not answer .*is it up\?"):
        models.open(HEAT)


def test_a_server_that_takes_too_long_is_a_timeout(registered: ModelStore) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Timeout, match=r"did not answer within 0\.2 s: look at its load"):
            TritonModels(registered, Server(url, seconds=0.2)).open(HEAT)


def test_a_session_survives_that_its_server_is_started_again(kserve_server: KServe, registered: ModelStore) -> None:
    session = TritonModels(registered, Server(kserve_server.url, versions=False)).open(HEAT)
    given = {"image": pictures(1)}
    before = session.run(given, Cancellation())["heat"]
    kserve_server.stop(signal.SIGKILL)
    with pytest.raises(Unavailable):
        session.run(given, Cancellation())
    kserve_server.start()
    np.testing.assert_array_equal(session.run(given, Cancellation())["heat"], before)


def test_a_model_that_the_server_lacks_is_not_found_there(kserve_server: KServe, registered: ModelStore) -> None:
    data = mean_heat(5)
    registered.add(card(data, name="elsewhere"), data, sample(data))
    with pytest.raises(NotFound, match=r"holds no model 'elsewhere@1'"):
        TritonModels(registered, Server(kserve_server.url, versions=False)).open(card(data, name="elsewhere").id)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"\xff"])
def test_what_is_no_inference_server_is_said_to_be_none(registered: ModelStore, body: bytes) -> None:
    with answering(200, body) as url, pytest.raises(BadGateway, match="no inference server"):
        TritonModels(registered, Server(url)).open(HEAT)


def test_another_model_under_the_same_name_is_noticed(registered: ModelStore) -> None:
    said = b'{"inputs": [{"name": "x"}], "outputs": [{"name": "y"}]}'
    with answering(200, said) as url, pytest.raises(InvalidInput, match="holds another model as 'heat@1'"):
        TritonModels(registered, Server(url)).open(HEAT)


def test_another_model_of_the_same_tensors_is_noticed_by_its_answers(kserve_server: KServe, store: ModelStore) -> None:
    other = mean_heat(1.1)
    store.add(card(other), other, sample(other))
    with pytest.raises(InvalidInput, match=r"holds as 'heat@1' answers otherwise .*'heat' differs by 0\.0"):
        TritonModels(store, Server(kserve_server.url, versions=False)).open(HEAT)


def test_a_server_that_answers_nothing_but_zeros_is_noticed(registered: ModelStore) -> None:
    answer = {"name": "heat", "datatype": "FP32", "shape": [1, 1, SIDE, SIDE], "data": [0.0] * SIDE * SIDE}
    with (
        answering(200, json.dumps({"outputs": [answer]}).encode()) as url,
        pytest.raises(InvalidInput, match="Load the registered file there"),
    ):
        TritonModels(registered, Server(url), binary=False).open(HEAT)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"outputs": [{"name": "heat", "datatype": "FP32", "shape": [1], "data": [1, 2]}]}',
        b'{"outputs": [{"name": "heat", "datatype": "BYTES", "shape": [1], "data": ["x"]}]}',
        b'{"outputs": [{"name": "heat", "datatype": "FP32", "shape": [9], "parameters": {"binary_data_size": 36}}]}',
        b'{"outputs": []}',
    ],
)
def test_answers_that_break_the_protocol_are_no_answers(registered: ModelStore, body: bytes) -> None:
    with answering(200, body) as url, pytest.raises(BadGateway, match=r"not of its protocol|gave no"):
        TritonModels(registered, Server(url), binary=True).open(HEAT)


@pytest.mark.parametrize("status", [400, 404, 422, 429, 500, 503])
def test_no_picture_is_blamed_for_what_a_server_says_of_a_model_that_it_held(
    registered: ModelStore, status: int
) -> None:
    with answering(status, b'{"error": "too warm"}') as url:
        session = TritonSession(registered.card(HEAT).describe(), Server(url), max_batch=8, binary=True)
        with pytest.raises(BadGateway, match="too warm"):
            session.run({"image": pictures(1)}, Cancellation())


def test_a_refusal_by_a_server_that_held_the_model_says_what_to_do(registered: ModelStore) -> None:
    with answering(400, b'{"error": "unknown model \'heat\'"}') as url:
        session = TritonSession(registered.card(HEAT).describe(), Server(url), max_batch=8, binary=True)
        with pytest.raises(BadGateway, match=r"unknown model 'heat' .*see that the server holds it .* try again"):
            session.run({"image": pictures(1)}, Cancellation())


@pytest.mark.parametrize(
    "given",
    [
        np.zeros((1, 3, SIDE, SIDE), np.uint8),
        np.zeros((3, SIDE, SIDE), np.float32),
        np.zeros((1, 3, SIDE, SIDE + 1), np.float32),
        np.zeros((9, 3, SIDE, SIDE), np.float32),
    ],
)
def test_what_the_model_does_not_take_is_refused_before_any_server_is_asked(
    registered: ModelStore, given: np.ndarray
) -> None:
    nobody = Server(f"http://127.0.0.1:{free_port()}")
    session = TritonSession(registered.card(HEAT).describe(), nobody, max_batch=8, binary=True)
    with pytest.raises(InvalidInput, match="takes"):
        session.run({"image": given}, Cancellation())


@pytest.mark.parametrize("status", [400, 422])
def test_a_model_that_its_server_refuses_when_it_is_opened_is_no_model(registered: ModelStore, status: int) -> None:
    with answering(status, b'{"error": "too warm"}') as url, pytest.raises(InvalidInput, match="too warm"):
        TritonModels(registered, Server(url), binary=True).open(HEAT)


def test_a_server_that_was_started_again_is_not_taken_for_down_however_many_connections_were_idle() -> None:
    port = free_port()
    server = Server(f"http://127.0.0.1:{port}")
    with keeping(port, together=4), ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda _: server.get("/v2"), range(4))) == [{}] * 4
    with keeping(port):
        assert server.get("/v2") == {}
    with pytest.raises(Unavailable, match="does not answer"):
        server.get("/v2")


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host", "http://", ""])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="is not the address"):
        Server(url)
