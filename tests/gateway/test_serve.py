"""Serving through Granian in a process of its own."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from imageflow_clients.database.executions.rows import Filter
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Survey
from imageflow_executions.history import list_executions
from imageflow_gateway.capacity import Capacity
from tests.clients.servers import ROOT
from tests.executions.starts import image
from tests.gateway.answers import V1


def test_tiles_come_through_the_server(served: Any, survey: Survey) -> None:
    with httpx.Client(base_url=served.url, trust_env=False) as client:
        document = client.get("/tiles/tilejson.json").json()
        assert document["tiles"][0].startswith(served.url)
        tile = client.get("/tiles/0/0/0.webp")
        assert tile.status_code == 200
        assert client.get("/tiles/0/0/0.webp", headers={"if-none-match": tile.headers["etag"]}).status_code == 304
        head = client.head("/tiles/0/0/0.webp")
        assert (head.headers["content-length"], head.content) == (tile.headers["content-length"], b"")


def test_a_stated_length_above_the_limit_is_answered_before_the_body(served: Any, settings: Settings) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as wire:
        head = (
            "PUT /api/v1/uploads/maps/city/first/monday/huge.png HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{served.port}\r\nContent-Length: {settings.upload_limit_bytes + 1}\r\n\r\n"
        )
        wire.sendall(head.encode())
        assert wire.recv(1000).startswith(b"HTTP/1.1 413")


def test_an_upload_that_breaks_off_leaves_nothing(served: Any, stores: Stores) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as wire:
        head = (
            "PUT /api/v1/uploads/maps/city/first/monday/half.png HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{served.port}\r\nContent-Length: 5000\r\n\r\n"
        )
        wire.sendall(head.encode() + b"x" * 2000)
        time.sleep(0.3)
    time.sleep(0.3)
    assert not [path for path in stores.scratch.iterdir() if path.is_file()]
    assert not stores.objects.exists("uploads/maps/city/first/monday/half.png")


def test_a_port_in_use_is_one_sentence_and_an_exit_code(
    served: Any, settings: Settings, start: Callable[[Settings], Any]
) -> None:
    second = start(settings)
    second.process.wait(timeout=60)
    log = second.stop()
    assert second.process.returncode == 4
    assert log.endswith(
        f"Port {served.port} of 127.0.0.1 is in use: stop what listens there, or set IMAGEFLOW_GATEWAY_PORT.\n"
    )


def test_an_interrupt_ends_it_in_order_and_its_log_is_json(
    settings: Settings, stores: Stores, start: Callable[[Settings], Any], free_port: Callable[[], int]
) -> None:
    gateway = start(settings.model_copy(update={"gateway_port": free_port()}))
    gateway.wait()
    httpx.get(f"{gateway.url}/nothing", trust_env=False)
    log = gateway.stop()
    assert gateway.process.returncode == 0
    lines = [json.loads(line) for line in log.splitlines()]
    assert [line["status"] for line in lines if line.get("path") == "/nothing"] == [404]


def test_a_request_that_never_ends_does_not_keep_it_from_ending(
    settings: Settings, stores: Stores, start: Callable[[Settings], Any], free_port: Callable[[], int]
) -> None:
    gateway = start(settings.model_copy(update={"gateway_port": free_port()}))
    gateway.wait()
    with socket.create_connection(("127.0.0.1", gateway.port)) as wire:
        wire.sendall(b"PUT /api/v1/uploads/maps/a/b/c/d.png HTTP/1.1\r\nHost: ")
        wire.sendall(f"127.0.0.1:{gateway.port}\r\nContent-Length: 9\r\n\r\nabc".encode())
        time.sleep(0.3)
        begun = time.monotonic()
        log = gateway.stop()
        assert time.monotonic() - begun < 15
    assert gateway.process.returncode == 0
    assert "cut off" in log.splitlines()[-1]
    assert not stores.objects.exists("uploads/maps/a/b/c/d.png")
    assert not [path for path in stores.scratch.iterdir() if path.is_file()]


def test_a_request_that_waits_for_an_execution_is_answered_when_it_ends(
    live_pipeline: None,
    settings: Settings,
    stores: Stores,
    start: Callable[[Settings], Any],
    free_port: Callable[[], int],
) -> None:
    gateway = start(settings.model_copy(update={"gateway_port": free_port()}))
    gateway.wait()
    with ThreadPoolExecutor(1) as pool, httpx.Client(base_url=gateway.url, trust_env=False, timeout=60) as client:
        request = {"files": {"image": ("part.png", image(), "image/png")}, "data": {"pipeline": "live@1"}}
        waiting = pool.submit(client.post, f"{V1}/executions", params={"wait": 60}, **request)
        until = time.monotonic() + 30
        while not list_executions(stores, Filter()).items:
            assert time.monotonic() < until, "no execution was started"
            time.sleep(0.05)
        time.sleep(0.5)
        log = gateway.stop()
        answer = waiting.result()
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert "cut off" not in log


def test_the_gateway_may_open_as_many_files_as_its_hard_limit_allows(
    settings: Settings, stores: Stores, start: Callable[[Settings], Any], free_port: Callable[[], int]
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))  # which the gateway inherits
    try:
        gateway = start(settings.model_copy(update={"gateway_port": free_port()}))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    gateway.wait()
    assert resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE) == (hard, hard)


@pytest.mark.parametrize("name", ["sockets", "execution_followers"])
def test_every_connection_that_may_last_has_its_place_in_the_server(name: str) -> None:
    capacity = Capacity()
    before = capacity.long_connections
    getattr(capacity, name).total_tokens += 7
    assert capacity.long_connections == before + 7


def test_a_hard_limit_of_open_files_that_is_too_low_is_named_with_what_to_do() -> None:
    code = (
        "import resource; from imageflow_gateway.open_files import allow_open_files\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 150))\n"
        "allow_open_files(150); allow_open_files(2000); print(resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "(150, 150)\n"
    assert done.stderr.startswith("150 files and connections may be open at once, and 2000 may be needed: raise")


COUNTS_OBJECTS = """
import atexit, gc
from imageflow_clients.settings import Settings
from imageflow_gateway.serve import serve

atexit.register(lambda: print(len(gc.get_objects()), gc.get_freeze_count()))
serve(Settings())
"""


def test_garbage_collection_passes_over_what_was_loaded_before_the_first_request(
    settings: Settings, stores: Stores, free_port: Callable[[], int], tmp_path: Path
) -> None:
    counted, _ = _served_until_terminated(COUNTS_OBJECTS, stores, free_port(), tmp_path)
    collected, passed_over = map(int, counted.split())
    assert passed_over > 100_000
    assert collected < passed_over / 3


CLOSES_SLOWLY = """
import os, signal
from imageflow_clients.database.core.engine import Database
from imageflow_clients.settings import Settings
from imageflow_gateway import serve

def close(_):
    os.kill(os.getpid(), signal.SIGTERM)

Database.close = close
serve.serve(Settings())
"""


def test_a_second_signal_while_the_database_is_closed_ends_it_without_a_traceback(
    settings: Settings, stores: Stores, free_port: Callable[[], int], tmp_path: Path
) -> None:
    _, log = _served_until_terminated(CLOSES_SLOWLY, stores, free_port(), tmp_path, code=-signal.SIGTERM)
    assert "Traceback" not in log


def _served_until_terminated(program: str, stores: Stores, port: int, home: Path, *, code: int = 0) -> tuple[str, str]:
    """Terminate a program once it answers at the port; return what it wrote to standard output and error."""
    url = stores.database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    environment = {
        **os.environ,
        "IMAGEFLOW_DATABASE_URL": url,
        "IMAGEFLOW_HOME": str(home),
        "IMAGEFLOW_GATEWAY_PORT": str(port),
    }
    command = [sys.executable, "-c", program]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as gateway:
        until = time.monotonic() + 60
        while not _answers(port):
            assert time.monotonic() < until, "the gateway does not answer"
            time.sleep(0.1)
        gateway.send_signal(signal.SIGTERM)
        out, log = gateway.communicate(timeout=60)
    assert gateway.returncode == code
    return out, log


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/ready", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
