"""One real database, one folder of objects and one published survey for all tests of the gateway."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response
from pydantic import SecretStr

from imageflow_catalog.pipelines import publish_pipeline
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.grid import Grid
from imageflow_domain.survey import Carrier, DriverSpec, Encoding, Survey, SurveySpec
from imageflow_executions.months import prepare_months
from imageflow_gateway.app import create_app
from imageflow_surveys import states
from imageflow_surveys.blocks import capture_blocks, cut_blocks, register_blocks
from imageflow_surveys.overview import make_overviews
from imageflow_surveys.place import place_survey
from imageflow_surveys.plan import plan_survey
from tests.e2e.stack import HTTP
from tests.executions.conftest import engine_over
from tests.executions.starts import small
from tests.gateway.answers import V1, ok
from tests.inspection.lids import items, lid_pipeline
from tests.surveys.states import completed

UPLOAD_LIMIT_BYTES = 100_000
READY_S = 60.0

GAME_FILE = """
title: A small city
driver: {name: city, parameters: {paused: true, view: [640, 512], drift_px: 8}}
grid: {rows: 2, cols: 3}
savegames: {spring: spring.sav}
"""


def city(save: str, **parameters: object) -> SurveySpec:
    """Ask for a small paused city."""
    return SurveySpec(
        game="city",
        save=save,
        driver=DriverSpec(
            name="city", parameters={"paused": True, "view": [640, 512], "drift_px": 8, "water": 0.0, **parameters}
        ),
        grid=Grid(rows=3, cols=4),
        encoding=Encoding(lossless_method=0),
    )


def survey_city(stores: Stores, save: str, **parameters: object) -> Survey:
    """Survey a small city from its first picture to its published map."""
    survey = plan_survey(stores, city(save, **parameters), Carrier.COMMAND_LINE)
    capture_blocks(stores, survey, survey.blocks())
    register_blocks(stores, survey, survey.blocks())
    place_survey(stores, survey)
    survey = states.read(stores, survey.id)
    cut_blocks(stores, survey, survey.blocks())
    make_overviews(stores, survey)
    return completed(stores, survey)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory, databases: Callable[[], SecretStr]) -> Settings:
    games = tmp_path_factory.mktemp("games")
    (games / "city.yaml").write_text(GAME_FILE)
    (games / "broken.yaml").write_text("title: [")
    return Settings(
        home=tmp_path_factory.mktemp("home"),
        database_url=databases(),
        games=games,
        gateway_port=_free_port(),
        dagster_port=_free_port(),  # nobody listens there: Dagster is down
        upload_limit_bytes=UPLOAD_LIMIT_BYTES,
    )


@pytest.fixture(scope="session")
def stores(settings: Settings) -> Iterator[Stores]:
    opened = open_stores(settings)
    yield opened
    opened.database.close()


@pytest.fixture(scope="session")
def survey(stores: Stores) -> Survey:
    return survey_city(stores, "first")


class Served:
    """A gateway that was started, and where it answers."""

    def __init__(self, settings: Settings) -> None:
        environment = os.environ | {
            "IMAGEFLOW_HOME": str(settings.home),
            "IMAGEFLOW_GAMES": str(settings.games),
            "IMAGEFLOW_GATEWAY_PORT": str(settings.gateway_port),
            "IMAGEFLOW_UPLOAD_LIMIT_BYTES": str(settings.upload_limit_bytes),
        }
        if settings.public_url is not None:
            environment["IMAGEFLOW_PUBLIC_URL"] = settings.public_url
            environment["IMAGEFLOW_TRUSTED_PROXIES"] = " ".join(settings.trusted_proxies)
            environment["IMAGEFLOW_OPEN"] = str(settings.open)
        if settings.database_url is not None:
            environment["IMAGEFLOW_DATABASE_URL"] = settings.database_url.get_secret_value()
        self.port = settings.gateway_port
        self.url = f"http://127.0.0.1:{self.port}"
        # A pipe that nobody reads would fill, and stop the gateway.
        self._log = settings.home / f"gateway-{self.port}.log"
        with self._log.open("a") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "imageflow_gateway"], env=environment, stderr=log)

    def wait(self) -> None:
        until = time.monotonic() + READY_S
        while time.monotonic() < until and self.process.poll() is None:
            try:
                if HTTP.get(f"{self.url}/health/ready").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"the gateway did not get ready: {self.stop()}")

    def stop(self) -> str:
        """End it as Ctrl-C does; return its log."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=20)
        return self._log.read_text()


class Client:
    """Asks an app within this process, from plain functions."""

    def __init__(self, portal: BlockingPortal, client: AsyncClient) -> None:
        self._portal = portal
        self._client = client

    def request(self, method: str, url: str, **options: Any) -> Response:
        return self._portal.call(partial(self._client.request, method, url, **options))

    def get(self, url: str, **options: Any) -> Response:
        return self.request("GET", url, **options)

    def head(self, url: str, **options: Any) -> Response:
        return self.request("HEAD", url, **options)

    def put(self, url: str, **options: Any) -> Response:
        return self.request("PUT", url, **options)

    def post(self, url: str, **options: Any) -> Response:
        return self.request("POST", url, **options)


@contextmanager
def asking(app: FastAPI, *, port: int = 80) -> Iterator[Client]:
    with start_blocking_portal() as portal:
        client = AsyncClient(transport=ASGITransport(app), base_url=f"http://127.0.0.1:{port}")
        yield Client(portal, client)
        portal.call(client.aclose)


@pytest.fixture(scope="session")
def client(settings: Settings, stores: Stores) -> Iterator[Client]:
    with asking(create_app(settings, stores), port=settings.gateway_port) as client:
        yield client


@pytest.fixture
def ask() -> Callable[..., Any]:
    """Ask any app."""
    return asking


@pytest.fixture(scope="session")
def served(settings: Settings, stores: Stores) -> Iterator[Served]:
    gateway = Served(settings)
    try:
        gateway.wait()
        yield gateway
    finally:
        gateway.stop()


@pytest.fixture
def start() -> Iterator[Callable[[Settings], Served]]:
    """Start another gateway, which ends with the test."""
    yield from _starting()


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[[Settings], Served]]:
    """Start another gateway, which ends with the module."""
    yield from _starting()


def _starting() -> Iterator[Callable[[Settings], Served]]:
    started: list[Served] = []

    def begin(settings: Settings) -> Served:
        started.append(Served(settings))
        return started[-1]

    yield begin
    for gateway in started:
        gateway.stop()


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    return _free_port


@pytest.fixture(scope="session")
def make_survey() -> Callable[[Stores, str], Survey]:
    return survey_city


@pytest.fixture(scope="session")
def need() -> Callable[[bool, str], None]:
    """Skip where something is missing, but fail where CI promised it."""

    def check(is_there: bool, reason: str) -> None:
        if not is_there:
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)

    return check


@pytest.fixture
def product(client: Any) -> str:
    """A product with a published master."""
    code = f"lid_{uuid4().hex[:8]}"
    client.post(f"{V1}/pipelines", json=lid_pipeline())
    ok(client.post(f"{V1}/masters", json={"code": code, "name": "A lid"}), 201)
    draft = ok(client.post(f"{V1}/masters/{code}/versions", json={"items": items()}), 201)
    at = f"{V1}/masters/{code}/versions/{draft['version']}"
    ok(client.post(f"{at}/publish", json={"revision": draft["revision"]}))
    return code


@pytest.fixture(scope="module")
def live_pipeline(stores: Stores) -> None:
    """The published pipeline 'live', and a place for its executions."""
    prepare_months(stores)
    publish_pipeline(stores, small("live"))


@pytest.fixture
def engine(stores: Stores) -> Iterator[None]:
    with engine_over(stores):
        yield
