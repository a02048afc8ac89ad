"""Embedded servers in folders of their own, stopped at the end."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from imageflow_clients.embedded_postgres import EmbeddedPostgres
from imageflow_clients.settings import Settings


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


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose server lives as long as the tests."""
    home = tmp_path_factory.mktemp("home")
    yield home
    EmbeddedPostgres(home / "postgres").stop()


@pytest.fixture
def empty_database(shared_home: Path, request: pytest.FixtureRequest) -> Settings:
    """Settings that name an empty database, as a user's own server would be named."""
    url = EmbeddedPostgres(shared_home / "postgres").url(f"test_{abs(hash(request.node.nodeid))}")
    given = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return Settings(home=shared_home, database_url=SecretStr(given))


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
