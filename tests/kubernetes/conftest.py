"""One real cluster for all tests, and one installation of the chart on it."""

from collections.abc import Iterator, Mapping

import pytest

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
