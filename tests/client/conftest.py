"""A gateway and an engine as processes of their own, over one database: clients talk to them as users' programs do."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Deployment:
    """Where clients reach it."""

    url: str
    grpc: str
    stores: Stores


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
    processes = []
    for module in ("imageflow_gateway", "imageflow_engine"):
        with (home / f"{module}.log").open("wb") as log:
            processes.append(subprocess.Popen([sys.executable, "-m", module], env=environment, stderr=log))
    url = f"http://127.0.0.1:{gateway_port}"
    try:
        _await(url, lambda: "takes executions" in (home / "imageflow_engine.log").read_text())
        yield Deployment(url, f"127.0.0.1:{grpc_port}", stores)
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(30)
        stores.database.close()


def _await(url: str, engine_is_up: Callable[[], bool]) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        try:
            if httpx.get(f"{url}/health/ready").status_code == 200 and engine_is_up():
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("gateway and engine did not get ready")
