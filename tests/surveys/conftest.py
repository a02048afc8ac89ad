"""One real database and one folder of objects for all tests of the use cases; each test surveys its own save."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import event

from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.survey import Survey
from tests.surveys.cities import city, published


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("surveys")


@pytest.fixture(scope="session")
def settings(home: Path, databases: Callable[[], SecretStr]) -> Settings:
    return Settings(home=home, database_url=databases())


@pytest.fixture(scope="session")
def stores(settings: Settings) -> Iterator[Stores]:
    opened = open_stores(settings)
    yield opened
    opened.database.close()


@pytest.fixture(scope="session")
def shown(stores: Stores) -> Survey:
    """A published survey that no test changes."""
    return published(stores, city("shown", grid="4x4", seed=11))


@pytest.fixture
def transactions(stores: Stores) -> Iterator[Callable[[], int]]:
    """Says how many transactions the test has committed so far."""
    committed: list[object] = []
    note = committed.append
    event.listen(stores.database.engine, "commit", note)
    yield lambda: len(committed)
    event.remove(stores.database.engine, "commit", note)
