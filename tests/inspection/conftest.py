"""A real database and store for each test: the embedded PostgreSQL with a folder, and with a bucket of S3."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from imageflow_clients.embedded_postgres import EmbeddedPostgres
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from services.rclone import Rclone
from tests.clients.stores import set_variables


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A database server that lives as long as the tests."""
    embedded = EmbeddedPostgres(tmp_path_factory.mktemp("inspection") / "postgres")
    yield embedded
    embedded.stop()


@pytest.fixture(params=["folder", "s3"])
def any_stores(
    request: pytest.FixtureRequest, server: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stores]:
    """Empty stores, whose objects lie in a folder or in a bucket."""
    objects = None
    if request.param == "s3":
        bucket: Rclone = request.getfixturevalue("rclone")
        set_variables(monkeypatch, bucket.environment)
        objects = f"{bucket.environment['IMAGEFLOW_OBJECT_STORE_URL']}/{uuid.uuid4().hex}"
    yield from _opened(server, tmp_path, objects)


@pytest.fixture
def stores(server: EmbeddedPostgres, tmp_path: Path) -> Iterator[Stores]:
    """Empty stores, whose objects lie in a folder."""
    yield from _opened(server, tmp_path, None)


def _opened(server: EmbeddedPostgres, home: Path, objects: str | None) -> Iterator[Stores]:
    url = server.url(f"test_{uuid.uuid4().hex}").set(drivername="postgresql").render_as_string(hide_password=False)
    opened = open_stores(Settings(home=home, database_url=SecretStr(url), object_store_url=objects))
    yield opened
    opened.database.close()
