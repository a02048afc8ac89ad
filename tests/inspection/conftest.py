"""A real database and store for each test: PostgreSQL with a folder, and with a bucket of S3."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from services.rclone import Rclone
from tests.clients.stores import set_variables


@pytest.fixture(params=["folder", "s3"])
def any_stores(
    request: pytest.FixtureRequest, databases: Callable[[], SecretStr], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stores]:
    """Empty stores, whose objects lie in a folder or in a bucket."""
    objects = None
    if request.param == "s3":
        bucket: Rclone = request.getfixturevalue("rclone")
        set_variables(monkeypatch, bucket.environment)
        objects = f"{bucket.environment['IMAGEFLOW_OBJECT_STORE_URL']}/{uuid.uuid4().hex}"
    yield from _opened(databases(), tmp_path, objects)


@pytest.fixture
def stores(databases: Callable[[], SecretStr], tmp_path: Path) -> Iterator[Stores]:
    """Empty stores, whose objects lie in a folder."""
    yield from _opened(databases(), tmp_path, None)


def _opened(database: SecretStr, home: Path, objects: str | None) -> Iterator[Stores]:
    opened = open_stores(Settings(home=home, database_url=database, object_store_url=objects))
    yield opened
    opened.database.close()
