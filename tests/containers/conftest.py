"""Images and places to run them; after each test no container may be left."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from imageflow_clients.containers.cluster_pods import ClusterPods
from imageflow_clients.containers.local import LocalContainers
from imageflow_clients.containers.pod_spec import PodRules
from imageflow_clients.containers.pods import PodContainers, PodMaker
from imageflow_domain.containers import Containers
from tests.containers.api_server import ApiServer, api_server
from tests.containers.images import focus_program, left_containers, local_image, rogue_program

RULES = PodRules(
    namespace="test", labels={"app.kubernetes.io/name": "imageflow-component"}, exchange_image="imageflow:1"
)
OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "run-1", "uid": "1"}


@pytest.fixture(scope="session")
def focus_image(tmp_path_factory: pytest.TempPathFactory) -> str:
    return local_image(focus_program(), tmp_path_factory.mktemp("focus"))


@pytest.fixture(scope="session")
def rogue_image(tmp_path_factory: pytest.TempPathFactory) -> str:
    return local_image(rogue_program(), tmp_path_factory.mktemp("rogue"))


@pytest.fixture
def podman(tmp_path: Path) -> Iterator[LocalContainers]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with LocalContainers(scratch) as running:
        yield running
    assert left_containers() == []
    assert list(scratch.iterdir()) == []


@pytest.fixture
def cluster() -> Iterator[tuple[ApiServer, PodMaker]]:
    with api_server() as (server, core):
        yield server, PodMaker(pods=ClusterPods(core, RULES.namespace), rules=RULES, owner=OWNER, api_server=None)
    assert left_containers() == []


@pytest.fixture
def pods(cluster: tuple[ApiServer, PodMaker]) -> Iterator[PodContainers]:
    with PodContainers(lambda: cluster[1]) as running:
        yield running


@pytest.fixture(params=["podman", "pods"])
def containers(request: pytest.FixtureRequest) -> Containers:
    """Run by podman, and as pods."""
    running: Containers = request.getfixturevalue(request.param)
    return running
