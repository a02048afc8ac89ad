"""Live executions: a 1080p JPEG through a pipeline by gRPC and by REST, turn about, beside the engine alone."""

import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import httpx
import numpy as np

from bench.figures import Figure, Result
from bench.stack import free_port
from imageflow.client import AsyncClient, ExecutionState
from imageflow_catalog.pipelines import publish_pipeline
from imageflow_clients.settings import Settings
from imageflow_clients.stores import open_stores
from imageflow_pipelines.engine import Engine
from imageflow_pipelines.plan import Plan, plan
from imageflow_pipelines.spec_text import read_spec

ROUNDS = 100
_WARM_UP = 10
_READY_S = 90.0
_PIPELINE = Path(__file__).parents[1] / "examples" / "pipelines" / "edges.yaml"
_EMPTY = {
    "pipeline": "empty",
    "steps": {"pass": {"use": "merge@1", "from": {"values": ["inputs.picture"]}}},
    "outputs": {"out": "pass.value"},
}
"""One step that does nothing: what an execution costs by itself."""


def run() -> Result:
    """Return p50 and p95 of each way, and the ratio to the engine alone."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", gateway_port=free_port(), engine_grpc_port=free_port())
        with _serving(settings):
            stores = open_stores(settings)
            edges = read_spec(_PIPELINE.read_text())
            publish_pipeline(stores, edges.to_data())
            publish_pipeline(stores, _EMPTY)
            stores.database.close()
            data = picture()
            spent = {
                "alone": _alone(plan(edges), data),
                **asyncio.run(_by_protocol(settings, "edges", data)),
                **{f"{way}, an empty step": s for way, s in asyncio.run(_by_protocol(settings, "empty", data)).items()},
            }
            streamed = asyncio.run(_streamed(settings, "edges", picture(1280, 720)))
    figures = [
        Figure(name=f"720p JPEG, a frame of a stream, {name}", value=value * 1000, unit="ms")
        for name, value in (("p50", statistics.median(streamed)), ("p95", _p95(streamed)))
    ] + [
        Figure(name=f"1080p JPEG, {way}, {name}", value=value * 1000, unit="ms")
        for way, seconds in spent.items()
        for name, value in (("p50", statistics.median(seconds)), ("p95", _p95(seconds)))
    ]
    alone = statistics.median(spent["alone"])
    ratios = [
        Figure(name=f"p50 by {way} / the engine alone", value=statistics.median(spent[way]) / alone)
        for way in ("grpc", "rest")
    ]
    return Result(figures=(*figures, *ratios))


def picture(width: int = 1920, height: int = 1080) -> bytes:
    """Return a JPEG with as much detail as a photograph has."""
    rough = np.random.default_rng(0).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    done, data = cv2.imencode(".jpg", cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC))
    assert done
    return data.tobytes()


async def _by_protocol(settings: Settings, pipeline: str, data: bytes) -> dict[str, list[float]]:
    """Return the seconds of each call, by protocol: the protocols take turns, so that both meet the same machine."""
    spent: dict[str, list[float]] = {"grpc": [], "rest": []}
    async with (
        AsyncClient(settings.gateway_url, protocol="grpc") as grpc,
        AsyncClient(settings.gateway_url, protocol="rest") as rest,
    ):
        for _ in range(ROUNDS + _WARM_UP):
            for name, client in (("grpc", grpc), ("rest", rest)):
                begun_s = time.perf_counter()
                done = await client.process(data, pipeline=pipeline)
                spent[name].append(time.perf_counter() - begun_s)
                assert done.state is ExecutionState.COMPLETED
    return {name: seconds[_WARM_UP:] for name, seconds in spent.items()}


async def _streamed(settings: Settings, pipeline: str, data: bytes) -> list[float]:
    """Return the seconds from each frame of a stream to its result; a frame is sent when the last one is done."""
    spent: list[float] = []
    turn: asyncio.Queue[None] = asyncio.Queue()

    async def camera() -> AsyncIterator[bytes]:
        for _ in range(ROUNDS + _WARM_UP):
            yield data
            await turn.get()

    async with AsyncClient(settings.gateway_url, protocol="grpc") as client:
        begun_s = time.perf_counter()
        async for result in client.stream(camera(), pipeline=pipeline):
            assert result.error is None
            spent.append(time.perf_counter() - begun_s)
            begun_s = time.perf_counter()
            turn.put_nowait(None)
    return spent[_WARM_UP:]


def _alone(steps: Plan, data: bytes) -> list[float]:
    spent = []
    with Engine() as engine:
        for _ in range(ROUNDS + _WARM_UP):
            begun_s = time.perf_counter()
            engine.run(steps, {"picture": data}).succeeded()
            spent.append(time.perf_counter() - begun_s)
    return spent[_WARM_UP:]


def _p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


@contextmanager
def _serving(settings: Settings) -> Iterator[None]:
    """Run a gateway and an engine over an embedded database."""
    environment = os.environ | {
        "IMAGEFLOW_HOME": str(settings.home),
        "IMAGEFLOW_GATEWAY_PORT": str(settings.gateway_port),
        "IMAGEFLOW_ENGINE_GRPC_PORT": str(settings.engine_grpc_port),
    }
    settings.home.mkdir(parents=True)
    open_stores(settings).database.close()
    processes = []
    try:
        for module in ("imageflow_gateway", "imageflow_engine"):
            with (settings.home / f"{module}.log").open("wb") as log:
                processes.append(subprocess.Popen([sys.executable, "-m", module], env=environment, stderr=log))
        _await(settings, settings.home / "imageflow_engine.log")
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(30)


def _await(settings: Settings, log: Path) -> None:
    until = time.monotonic() + _READY_S
    while time.monotonic() < until:
        try:
            if httpx.get(f"{settings.gateway_url}/health/ready").is_success and "takes executions" in log.read_text():
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"gateway and engine were not ready within {_READY_S:.0f} s")
