"""One real cluster for all tests, and one installation of the chart on it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from imageflow_clients.database.maps import tiles
from imageflow_clients.settings import Settings
from imageflow_clients.stores import open_stores
from imageflow_domain import keys
from services.kubernetes.cluster import Cluster
from services.kubernetes.images import build_all
from tests.e2e.stack import ROOT
from tests.kubernetes.release import Release

_FOLDER = ROOT / "build" / "kubernetes"
"""Images that were loaded stay there: a gigabyte takes a minute."""


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster(_FOLDER)
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def images(cluster: Cluster) -> Mapping[str, str]:
    built = build_all()
    cluster.load(list(built.values()))
    return built


@pytest.fixture(scope="session")
def release(cluster: Cluster, images: Mapping[str, str]) -> Release:
    release = Release(cluster=cluster, name="trial", node_port=30080, images=images)
    release.install()
    return release


@pytest.fixture
def restored(release: Release) -> Iterator[Release]:
    """The release, brought back afterwards to what it was before."""
    revision = release.revision()
    yield release
    release.roll_back(revision)


def tiles_of_one_machine(home: Path, survey: str) -> Mapping[str, bytes]:
    """Return the tiles of a survey of one machine, by their addresses."""
    stores = open_stores(Settings(home=home))
    with stores.database, stores.database.begin() as connection:
        revision = tiles.layers_of_survey(connection, survey)[0].revision
        return {
            f"/tiles/{survey}/{revision}/{tile.id.z}/{tile.id.x}/{tile.id.y}.webp": stores.objects.get(
                keys.tile(tile.digest), next_step="survey again"
            )
            for tile in tiles.every(connection, survey, revision)
        }
