"""Images and a place to run them; after each test no container may be left."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from imageflow_clients.containers.local import LocalContainers
from tests.containers.images import focus_program, left_containers, local_image, rogue_program


@pytest.fixture(scope="session")
def focus_image(tmp_path_factory: pytest.TempPathFactory) -> str:
    return local_image(focus_program(), tmp_path_factory.mktemp("focus"))


@pytest.fixture(scope="session")
def rogue_image(tmp_path_factory: pytest.TempPathFactory) -> str:
    return local_image(rogue_program(), tmp_path_factory.mktemp("rogue"))


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[LocalContainers]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with LocalContainers(scratch) as running:
        yield running
    assert left_containers() == []
    assert list(scratch.iterdir()) == []
