"""One real database and one folder of objects for all tests of the use cases; each test surveys its own save."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from imageflow_clients.embedded_postgres import EmbeddedPostgres
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.survey import Survey
from tests.surveys.cities import city, published


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose server lives as long as the tests."""
    folder = tmp_path_factory.mktemp("surveys")
    yield folder
    EmbeddedPostgres(folder / "postgres").stop()


@pytest.fixture(scope="session")
def stores(home: Path) -> Iterator[Stores]:
    opened = open_stores(Settings(home=home))
    yield opened
    opened.database.close()


@pytest.fixture(scope="session")
def shown(stores: Stores) -> Survey:
    """A published survey that no test changes."""
    return published(stores, city("shown", grid="4x4", seed=11))
