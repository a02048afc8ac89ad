"""Real servers for every test that asks for one, each started once a session in a folder of its own.

PostgreSQL for tests of what uses it is one for all sessions that run at once: see `tests/databases.py`.
"""

import os
from collections.abc import Callable, Iterator
from typing import NoReturn, TypeVar

import pytest
from pydantic import SecretStr

from imageflow_clients.database.core.engine import migrate_database
from imageflow_clients.settings import Settings
from imageflow_domain.errors import Unavailable
from services.build import is_kept
from services.minio import Minio
from services.postgres import Postgres
from services.rclone import Rclone
from tests.databases import SharedPostgres

Server = TypeVar("Server", Minio, Rclone, Postgres)


@pytest.fixture(scope="session")
def shared_postgres(pytestconfig: pytest.Config) -> Iterator[SharedPostgres]:
    with SharedPostgres(pytestconfig.cache.mkdir("postgres")) as server:
        yield server


@pytest.fixture(scope="session")
def databases(shared_postgres: SharedPostgres) -> Callable[[], SecretStr]:
    """Makes databases with the newest schema and no rows."""
    return lambda: shared_postgres.copy("newest", _migrate)


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minio]:
    if not is_kept():
        _absent("MinIO is not built: `make services` does it")
    yield from _served(lambda: Minio(tmp_path_factory.mktemp("minio")))


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rclone]:
    yield from _served(lambda: Rclone(tmp_path_factory.mktemp("rclone")))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    yield from _served(lambda: Postgres(tmp_path_factory.mktemp("postgres")))


def _migrate(database: SecretStr) -> None:
    # Dagster takes a second to import, and most sessions find a template that is made.
    from imageflow_resources.storage import make_tables

    settings = Settings(database_url=database)
    migrate_database(settings)
    make_tables(settings)


def _served(start: Callable[[], Server]) -> Iterator[Server]:
    try:
        server = start()
    except Unavailable as error:
        _absent(str(error))
    yield server
    server.stop()


def _absent(reason: str) -> NoReturn:
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
