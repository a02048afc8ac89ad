"""The connection that the fault tests cut."""

import http.server
import threading
from collections.abc import Iterator

import httpx
import pytest

from bench.proxy import Proxy


@pytest.fixture
def server() -> Iterator[int]:
    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield serving.server_address[1]
    serving.shutdown()
    serving.server_close()


def test_a_cut_connection_is_dropped_and_refused_until_it_is_mended(server: int) -> None:
    with Proxy(server) as proxy, httpx.Client(base_url=f"http://127.0.0.1:{proxy.port}") as client:
        assert client.head("/").is_success
        proxy.cut()
        with pytest.raises(httpx.TransportError):
            client.head("/")
        with pytest.raises(httpx.ConnectError):
            client.head("/")
        proxy.mend()
        assert client.head("/").is_success
