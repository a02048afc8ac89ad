"""Live executions: a 1080p JPEG through a pipeline by gRPC and by REST, turn about, beside the engine alone."""

import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import psutil

from bench import mobile_net
from bench.figures import Figure, Result
from bench.stack import free_port
from bench.watching import database_of
from imageflow.client import AsyncClient, ExecutionState
from imageflow_catalog.pipelines import publish_pipeline
from imageflow_clients.settings import Settings
from imageflow_clients.stores import open_stores
from imageflow_domain.inference import ModelId
from imageflow_pipelines.engine import Engine
from imageflow_pipelines.plan import Plan, plan
from imageflow_pipelines.spec_text import parse_spec

ROUNDS = 100
_COUNTED = 300
"""Executions whose processor time is counted together."""
_WARM_UP = 10
_READY_S = 90.0
_EMPTY = {
    "pipeline": "empty",
    "steps": {"pass": {"use": "merge@1", "from": {"values": ["inputs.picture"]}}},
    "outputs": {"out": "pass.value"},
}
"""One step that does nothing: what an execution costs by itself."""


def _with_net(model: ModelId) -> dict[str, Any]:
    """Return the pipeline of the target: decode, resize, ask the net, filter, encode."""
    side = {"width_px": mobile_net.SIDE_PX, "height_px": mobile_net.SIDE_PX}
    return {
        "pipeline": "net",
        "steps": {
            "decode": {"use": "decode@1", "from": {"picture": "inputs.picture"}},
            "small": {"use": "resize@1", "with": side, "from": {"image": "decode.image"}},
            "net": {"use": "classify@1", "with": {"model": str(model)}, "from": {"image": "small.image"}},
            "filter": {"use": "blur@1", "from": {"image": "small.image"}},
            "encode": {"use": "encode@1", "with": {"format": "jpeg"}, "from": {"image": "filter.image"}},
        },
        "outputs": {"label": "net.detections", "picture": "encode.encoded"},
    }


def run() -> Result:
    """Return p50 and p95 of each way, ratios to the engine alone, and processor time of the servers."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", gateway_port=free_port(), engine_grpc_port=free_port())
        with _serving(settings) as servers:
            stores = open_stores(settings)
            with stores.database:
                model = mobile_net.register(stores.objects)
                pipelines = {"net": _with_net(model), "empty": _EMPTY}
                for spec in pipelines.values():
                    publish_pipeline(stores, spec)
            data = picture()
            spent = {"alone": _alone(plan(parse_spec(pipelines["net"])), data)}
            spent |= asyncio.run(_by_protocol(settings, "net", data))
            empty = asyncio.run(_by_protocol(settings, "empty", data))
            streamed = asyncio.run(_streamed(settings, "net", picture(1280, 720)))
            cpu_s = {way: asyncio.run(_cpu_s(settings, servers, way, data)) for way in ("grpc", "rest")}
    return Result(figures=(*_times(spent), *_of_stream(streamed), *_of_empty(empty, cpu_s)))


def _of_stream(seconds: Sequence[float]) -> Iterator[Figure]:
    name = "720p JPEG, net of 3.5 M, a frame of a camera stream"
    yield Figure(name=f"{name}, p50", value=statistics.median(seconds) * 1000, unit="ms", at_most=50)
    yield Figure(name=f"{name}, p95", value=_p95(seconds) * 1000, unit="ms")


def _times(spent: Mapping[str, Sequence[float]]) -> Iterator[Figure]:
    targets = {("grpc", "p50"): 40.0, ("grpc", "p95"): 100.0}
    for way, seconds in spent.items():
        for name, value in (("p50", statistics.median(seconds)), ("p95", _p95(seconds))):
            at_most = targets.get((way, name))
            yield Figure(
                name=f"1080p JPEG, net of 3.5 M, {way}, {name}", value=value * 1000, unit="ms", at_most=at_most
            )
    alone = statistics.median(spent["alone"])
    for way in ("grpc", "rest"):
        yield Figure(name=f"p50 by {way} / the engine alone", value=statistics.median(spent[way]) / alone)
    added = (_p95(spent["rest"]) - _p95(spent["alone"])) * 1000
    yield Figure(name="p95 by rest, beyond the engine alone", value=added, unit="ms", at_most=15)


def _of_empty(spent: Mapping[str, Sequence[float]], cpu_s: Mapping[str, float]) -> Iterator[Figure]:
    for way, seconds in spent.items():
        yield Figure(name=f"an empty step, {way}, p50", value=statistics.median(seconds) * 1000, unit="ms")
        yield Figure(name=f"an empty step, {way}, p95", value=_p95(seconds) * 1000, unit="ms")
    for way, value in cpu_s.items():
        name = f"an empty step, {way}, processor time of all servers"
        yield Figure(name=name, value=value * 1000, unit="ms", at_most=5)


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


async def _cpu_s(settings: Settings, servers: Sequence[psutil.Process], way: str, data: bytes) -> float:
    """Return the processor time that the servers need for one execution, one at a time."""
    async with AsyncClient(settings.gateway_url, protocol=way) as client:
        for _ in range(_WARM_UP):
            await client.process(data, pipeline="empty")
        before_s = _spent_s(settings, servers)
        for _ in range(_COUNTED):
            await client.process(data, pipeline="empty")
        return (_spent_s(settings, servers) - before_s) / _COUNTED


def _spent_s(settings: Settings, servers: Sequence[psutil.Process]) -> float:
    """Return the processor time of the servers, their children and the database; connections that ended included."""
    found = [*servers, *(child for server in servers for child in server.children(recursive=True))]
    times = [process.cpu_times() for process in (*found, *database_of(settings.home))]
    return sum(each.user + each.system + each.children_user + each.children_system for each in times)


def _alone(steps: Plan, data: bytes) -> list[float]:
    spent = []
    with Engine(models=mobile_net.Registry(mobile_net.session(threads=0))) as engine:
        for _ in range(ROUNDS + _WARM_UP):
            begun_s = time.perf_counter()
            engine.run(steps, {"picture": data}).succeeded()
            spent.append(time.perf_counter() - begun_s)
    return spent[_WARM_UP:]


def _p95(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


@contextmanager
def _serving(settings: Settings) -> Iterator[Sequence[psutil.Process]]:
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
        yield [psutil.Process(process.pid) for process in processes]
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
