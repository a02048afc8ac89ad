"""Empty stores for each test: a tick of the sensor sees all surveys, and reports each to a new Dagster instance."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores


@pytest.fixture
def stores(databases: Callable[[], SecretStr], tmp_path: Path) -> Iterator[Stores]:
    opened = open_stores(Settings(home=tmp_path, database_url=databases()))
    yield opened
    opened.database.close()
