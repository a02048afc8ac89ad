"""What the pages say without a survey, and without a server."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.stand import ALL_TILES
from tests.e2e.stack import EXAMPLE, Cli, environment, free_port

pytestmark = pytest.mark.e2e


class Gateway:
    """A gateway of its own over an empty home, which can be stopped and started again."""

    def __init__(self, home: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = environment(home, IMAGEFLOW_GATEWAY_PORT=str(self.port))
        self.cli = Cli(home=home, env=self.env)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "imageflow_gateway"],
            env=self.env,
            stderr=subprocess.DEVNULL,
            cwd=self.cli.home.parent,
        )
        until = time.monotonic() + 120
        while time.monotonic() < until:
            try:
                if httpx.get(f"{self.url}/health/ready", trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError("the gateway did not get ready")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path / "home")
    gateway.start()
    yield gateway
    gateway.stop()


def test_the_first_map_appears_by_itself_and_a_lost_server_is_told(look: Any, gateway: Gateway) -> None:
    page = look(gateway.url)
    expect(page.get_by_role("heading", name="No survey yet")).to_be_visible()
    expect(page.locator(".command")).to_contain_text("imageflow survey run")
    for address, words in (("/surveys", "No survey yet"), ("/history", "Nothing to look back on yet")):
        expect(look(f"{gateway.url}{address}").get_by_role("heading", name=words)).to_be_visible()
    gateway.cli.json(
        "survey", "run", "--driver", "folder", "--source", str(EXAMPLE), "--game", "openttd", "--save", "first"
    )
    expect(page.locator(".middle")).to_have_count(0, timeout=20_000)
    page.wait_for_function(ALL_TILES)

    gateway.stop()
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer", timeout=20_000)
    assert page.locator(".leaflet-tile-loaded").count() > 0, "the map that was there stays"
    gateway.start()
    expect(page.get_by_role("alert")).to_have_count(0, timeout=20_000)
