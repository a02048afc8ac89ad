"""A real database and store for each test: the embedded PostgreSQL with a folder, and with a bucket of S3."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from imageflow_clients.database.engine import open_database
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


@pytest.fixture(scope="session")
def databases(server: EmbeddedPostgres) -> Callable[[], SecretStr]:
    """Makes empty databases with the newest schema: copies of one, which take a tenth of what migrating each does."""
    open_database(Settings(database_url=_url(server, "newest"))).close()

    def make() -> SecretStr:
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(_url(server, "postgres").get_secret_value(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE newest").format(sql.Identifier(name)))
        return _url(server, name)

    return make


def _url(server: EmbeddedPostgres, database: str) -> SecretStr:
    return SecretStr(server.url(database).set(drivername="postgresql").render_as_string(hide_password=False))


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
