"""One real database and one folder of objects for all tests of assets, and a Dagster instance for each."""

from collections.abc import Callable, Iterator

import dagster as dg
import pytest
from pydantic import SecretStr

from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory, databases: Callable[[], SecretStr]) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("assets"), database_url=databases())


@pytest.fixture(scope="session")
def stores(settings: Settings) -> Iterator[Stores]:
    opened = open_stores(settings)
    yield opened
    opened.database.close()


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEFLOW_RETRY_WAITS", "0.1 0.2 0.4")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made
