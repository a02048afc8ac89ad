"""A registry with small models, computed by each of those who can: here, and by a real server of the protocol."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from imageflow_clients.inference.onnx_runtime import Provider, Runtime
from imageflow_clients.inference.stored_models import ModelStore, OnnxModels
from imageflow_clients.inference.triton import Server, TritonModels
from imageflow_clients.object_stores import open_object_store
from imageflow_clients.settings import Settings
from imageflow_domain.inference import ModelId, ModelRegistry
from services import kserve
from services.kserve import KServe
from tests.inference.onnx_models import card, endless, mean_heat, sample

HEAT = ModelId(name="heat", version=1)
TWICE = ModelId(name="heat", version=2)
ENDLESS = ModelId(name="endless", version=1)
FILES = {HEAT: mean_heat(), TWICE: mean_heat(2), ENDLESS: endless()}


@dataclass(frozen=True, kw_only=True)
class Computing:
    """Who computes, as a test sees it."""

    models: ModelRegistry
    provider: str
    recover: Callable[[], None] = lambda: None
    """Frees whoever computes from a run that nobody waits for any more: KServe does not notice."""


@pytest.fixture(scope="session")
def kserve_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KServe]:
    if not kserve.is_kept():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            "KServe is not installed: `make minio` does it"
        )
    server = KServe(tmp_path_factory.mktemp("kserve"), FILES)
    yield server
    server.stop()


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(open_object_store(Settings(home=tmp_path / "home")))


@pytest.fixture
def registered(store: ModelStore) -> ModelStore:
    for model, data in FILES.items():
        store.add(card(data, name=model.name, version=model.version), data, sample(data))
    return store


@pytest.fixture(params=["here", "server, bytes", "server, JSON"])
def computing(request: pytest.FixtureRequest, registered: ModelStore) -> Computing:
    if request.param == "here":
        return Computing(models=OnnxModels(registered, Runtime(provider=Provider.CPU, max_batch=8)), provider="cpu")
    server: KServe = request.getfixturevalue("kserve_server")
    return Computing(
        models=TritonModels(
            registered, Server(server.url, versions=False), max_batch=8, binary=request.param == "server, bytes"
        ),
        provider="triton",
        recover=lambda: _start_again(server),
    )


def _start_again(server: KServe) -> None:
    server.stop(signal.SIGKILL)
    server.start()
