"""Embedded servers in folders of their own, stopped at the end."""

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from imageflow_clients.embedded_postgres import EmbeddedPostgres
from imageflow_clients.settings import Settings
from services.postgres import Postgres
from tests.databases import SharedPostgres


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("IMAGEFLOW_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The folder of a server that is not there yet."""
    path = tmp_path / "home" / "postgres"
    yield path
    EmbeddedPostgres(path).stop()


@pytest.fixture
def server(folder: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder, idle_s=0.2)


@pytest.fixture(params=["embedded", "given"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings that name an empty database: of the embedded server, or of one over TCP whose account owns nothing."""
    if request.param == "embedded":
        shared: SharedPostgres = request.getfixturevalue("shared_postgres")
        return Settings(home=tmp_path, database_url=shared.empty())
    name = f"test_{uuid.uuid4().hex}"
    server: Postgres = request.getfixturevalue("postgres")
    server.create_database(name)
    return Settings(home=tmp_path, database_url=SecretStr(server.url(name)))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("only root can mount a small disk to fill")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)
