"""Debian's nginx in front, with TLS and another host name, configured as docs/proxy.md has it."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Survey
from tests.clients.servers import ROOT

_NAME = "maps.example.com"
_PROGRAM = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
_READY_S = 20.0


class Proxied:
    """A client that reaches the gateway through nginx, and may send any header."""

    def __init__(self, port: int, certificate: Path) -> None:
        self.origin = f"https://{_NAME}:{port}"
        self._at = f"https://127.0.0.1:{port}"
        self.context = ssl.create_default_context(cafile=certificate)
        self.client = httpx.Client(verify=self.context, headers={"host": f"{_NAME}:{port}"}, timeout=30)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.client.request(method, f"{self._at}{path}", extensions={"sni_hostname": _NAME}, **options)

    def answers(self) -> bool:
        try:
            return self.request("GET", "/health").is_success
        except httpx.TransportError:
            return False

    def stream(self, path: str) -> Any:
        return self.client.stream("GET", f"{self._at}{path}", extensions={"sni_hostname": _NAME})


@pytest.fixture(scope="module")
def public_port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture(scope="module")
def behind(
    settings: Settings, stores: Stores, public_port: int, free_port: Callable[[], int], serve: Callable[[Settings], Any]
) -> Any:
    """A gateway that trusts the proxy."""
    opened = settings.model_copy(
        update={
            "gateway_port": free_port(),
            "open": True,
            "public_url": f"https://{_NAME}:{public_port}",
            "trusted_proxies": ("127.0.0.1",),
        }
    )
    gateway = serve(opened)
    gateway.wait()
    return gateway


@pytest.fixture(scope="module")
def proxied(
    behind: Any, public_port: int, need: Callable[[bool, str], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxied]:
    need(_PROGRAM is not None, "nginx is not installed: apt-get install nginx-light")
    folder = tmp_path_factory.mktemp("nginx")
    certificate = folder / "maps.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={_NAME}"]
    names = ["-addext", f"subjectAltName=DNS:{_NAME}", "-keyout", str(folder / "maps.key"), "-out", str(certificate)]
    subprocess.run([*make, *names], check=True, capture_output=True)
    (folder / "nginx.conf").write_text(_configuration(folder, public_port, behind.port))
    command = [str(_PROGRAM), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    process = subprocess.Popen(command)
    client = Proxied(public_port, certificate)
    deadline = time.monotonic() + _READY_S
    try:
        while not client.answers():
            assert process.poll() is None, (folder / "error.log").read_text()
            assert time.monotonic() < deadline, (folder / "error.log").read_text()
            time.sleep(0.05)
        yield client
    finally:
        client.client.close()
        process.terminate()
        process.wait(timeout=20)


def _configuration(folder: Path, public_port: int, gateway_port: int) -> str:
    found = re.search(r"```nginx\n(.*?)```", (ROOT / "docs" / "proxy.md").read_text(), re.DOTALL)
    assert found is not None
    server = (
        found[1]
        .replace("listen 443 ssl", f"listen 127.0.0.1:{public_port} ssl")
        .replace("127.0.0.1:8080", f"127.0.0.1:{gateway_port}")
        .replace(f"/etc/ssl/{_NAME}.pem", str(folder / "maps.pem"))
        .replace(f"/etc/ssl/{_NAME}.key", str(folder / "maps.key"))
    )
    kept = "".join(
        f"{kind}_temp_path {folder / kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"daemon off;\npid {folder / 'pid'};\nevents {{}}\nhttp {{\naccess_log off;\n{kept}{server}}}\n"


def test_pages_and_their_scripts_are_served(proxied: Proxied) -> None:
    page = proxied.request("GET", "/")
    assert page.status_code == 200
    scripts = re.findall(r'src="(/static/[^"]+)"', page.text)
    assert scripts
    for script in scripts:
        assert proxied.request("GET", script).status_code == 200


def test_tilejson_names_the_address_that_the_client_called(proxied: Proxied, survey: Survey) -> None:
    found = proxied.request("GET", f"/tiles/{survey.id}/tilejson.json").json()
    assert all(address.startswith(f"{proxied.origin}/tiles/{survey.id}/") for address in found["tiles"])


def test_writes_and_uploads_of_the_public_page_are_taken(proxied: Proxied, survey: Survey, settings: Settings) -> None:
    bounds = survey.published().bounds
    place = {"name": "Here", "note": "", "colour": "teal", "x": bounds.x_px + 10, "y": bounds.y_px + 20}
    markers = f"/api/v1/saves/{survey.spec.game}/{survey.spec.save}/markers"
    written = proxied.request("POST", markers, json=place, headers={"origin": proxied.origin})
    assert written.status_code == 201, written.text
    condition = {"origin": proxied.origin, "if-match": written.headers["etag"]}
    assert proxied.request("DELETE", f"{markers}/{written.json()['id']}", headers=condition).status_code == 204
    large = b"x" * settings.upload_limit_bytes
    address = "/api/v1/uploads/maps/proxied/home/monday/r00_c00.png"
    uploaded = proxied.request("PUT", address, content=large, headers={"origin": proxied.origin})
    assert (uploaded.status_code, uploaded.json()["bytes"]) == (201, len(large))


def test_events_arrive_while_they_happen(proxied: Proxied, survey: Survey) -> None:
    with proxied.stream(f"/api/v1/surveys/{survey.id}/events") as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        assert next(line for line in events.iter_lines() if line.startswith("event:")) == "event: progress"


def test_a_page_of_another_site_is_refused_through_the_proxy_as_well(proxied: Proxied) -> None:
    for headers in ({"origin": "https://evil.example"}, {"host": "evil.example"}):
        refused = proxied.request("POST", "/api/jobs", json={}, headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "FORBIDDEN")


def test_forged_headers_of_a_client_that_is_no_proxy_change_nothing(served: Any, survey: Survey) -> None:
    forged = {"x-forwarded-proto": "https", "x-forwarded-host": _NAME}
    found = httpx.get(f"{served.url}/tiles/{survey.id}/tilejson.json", headers=forged).json()
    assert all(address.startswith(f"{served.url}/tiles/") for address in found["tiles"])
    written = {"host": _NAME, "origin": f"https://{_NAME}", **forged}
    refused = httpx.post(f"{served.url}/api/jobs", json={}, headers=written)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "FORBIDDEN")


def test_a_websocket_is_opened_by_the_public_page_alone(proxied: Proxied, public_port: int) -> None:
    def opened(origin: str) -> str:
        with (
            socket.create_connection(("127.0.0.1", public_port), timeout=20) as wire,
            connect(f"wss://{_NAME}:{public_port}/api/v1/ws", sock=wire, ssl=proxied.context, origin=origin) as client,
        ):
            client.send("{}")
            return str(client.recv(20))

    assert "INVALID_INPUT" in opened(proxied.origin)
    with pytest.raises((InvalidHandshake, ConnectionClosed)):
        opened("https://evil.example")
