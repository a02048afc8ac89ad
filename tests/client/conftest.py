"""A gateway and an engine as processes of their own, over one database: clients talk to them as users' programs do."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from imageflow_catalog.pipelines import publish_pipeline
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_executions.months import prepare_months
from tests.executions.starts import small
from tests.rpc.conftest import free_port

READY_S = 60.0


class Process:
    """A gateway or an engine."""

    def __init__(self, module: str, environment: Mapping[str, str], log: Path) -> None:
        self._command = [sys.executable, "-m", module]
        self._environment = environment
        self.log = log
        self.start()

    def start(self) -> None:
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(self._command, env=dict(self._environment), stderr=log)

    def send(self, number: signal.Signals) -> None:
        self._child.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._child.send_signal(number)
        self._child.wait(30)


@dataclass(frozen=True)
class Deployment:
    """Where clients reach it."""

    url: str
    grpc: str
    stores: Stores
    engine: Process

    def wait(self) -> None:
        """Return once gateway and engine answer."""
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            try:
                is_up = httpx.get(f"{self.url}/health/ready").status_code == 200
                if is_up and "takes executions" in self.engine.log.read_text():
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError("gateway and engine did not get ready")


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory, databases: Callable[[], SecretStr]) -> Iterator[Deployment]:
    home, database = tmp_path_factory.mktemp("home"), databases()
    gateway_port, grpc_port = free_port(), free_port()
    environment = os.environ | {
        "IMAGEFLOW_HOME": str(home),
        "IMAGEFLOW_DATABASE_URL": database.get_secret_value(),
        "IMAGEFLOW_GATEWAY_PORT": str(gateway_port),
        "IMAGEFLOW_ENGINE_GRPC_PORT": str(grpc_port),
    }
    stores = open_stores(Settings(home=home, database_url=database))
    prepare_months(stores)
    publish_pipeline(stores, small("live"))
    gateway, engine = (
        Process(module, environment, home / f"{module}.log") for module in ("imageflow_gateway", "imageflow_engine")
    )
    found = Deployment(f"http://127.0.0.1:{gateway_port}", f"127.0.0.1:{grpc_port}", stores, engine)
    try:
        found.wait()
        yield found
    finally:
        gateway.end()
        engine.end()
        stores.database.close()
