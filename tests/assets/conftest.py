"""One real database and one folder of objects for all tests of assets, and a Dagster instance for each."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from imageflow_clients.embedded_postgres import EmbeddedPostgres
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose server lives as long as the tests."""
    folder = tmp_path_factory.mktemp("assets")
    yield folder
    EmbeddedPostgres(folder / "postgres").stop()


@pytest.fixture(scope="session")
def stores(home: Path) -> Iterator[Stores]:
    opened = open_stores(Settings(home=home))
    yield opened
    opened.database.close()


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEFLOW_RETRY_WAITS", "0.1 0.2 0.4")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made
