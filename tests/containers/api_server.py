"""Kubernetes without a cluster: its API as far as pods of components use it, where podman runs each component.

What a component writes before it is attached to is in its log alone, as in a cluster.
"""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvicorn
from kubernetes.client import ApiClient, Configuration, CoreV1Api
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from imageflow_clients.containers.exchange_folder import ExchangeFolder
from imageflow_clients.containers.pod_spec import COMPONENT, EXCHANGE, SERVE
from imageflow_clients.containers.program import find_program
from imageflow_domain.containers import ContainerImage, ContainerLimits

PODS = "/api/v1/namespaces/{namespace}/pods"
_SILENT_S = 1.5
"""A component that writes nothing is taken for started after that."""
_STARTED_S = 30
_LINES = 200
_STDIN, _STDOUT, _STDERR, _ERROR = range(4)
_NOT_STARTED = (125, 126, 127)
_OUT_OF_MEMORY = 137
_MIB = 2**20
_FULL = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: 1 Insufficient cpu."}


class ApiServer:
    """Answers requests for pods on a port of this machine, each in the loop of one thread."""

    def __init__(self, folder: Path) -> None:
        self.bodies: list[dict[str, Any]] = []
        """Of every pod that was made."""
        self.refuses = False
        """Whether no pod is taken."""
        self.is_full = False
        """Whether no pod gets a node."""
        self.is_attached_early = False
        """Whether pods are said to run before they have written anything."""
        self._folder = folder
        self._pods: dict[str, _Pod] = {}
        routes = [
            Route(PODS, self._create, methods=["POST"]),
            Route(f"{PODS}/{{name}}", self._show, methods=["GET"]),
            Route(f"{PODS}/{{name}}", self._delete, methods=["DELETE"]),
            Route(f"{PODS}/{{name}}/log", self._log, methods=["GET"]),
            WebSocketRoute(f"{PODS}/{{name}}/attach", self._attach),
            WebSocketRoute(f"{PODS}/{{name}}/exec", self._exec),
        ]
        self._certificate, key = folder / "server.crt", folder / "server.key"
        _certify(self._certificate, key)
        config = uvicorn.Config(
            Starlette(routes=routes),
            port=0,
            log_level="warning",
            lifespan="off",
            timeout_graceful_shutdown=1,
            ssl_certfile=self._certificate,
            ssl_keyfile=key,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="api-server")

    def start(self) -> CoreV1Api:
        """Return a client of it."""
        self._thread.start()
        deadline = time.monotonic() + _STARTED_S
        while not self._server.started:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return client_of(self.url)

    @property
    def url(self) -> str:
        """Its address, and behind the fragment's sign the file of its certificate."""
        return f"https://127.0.0.1:{self.port}#{self._certificate}"

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._server.servers[0].sockets[0].getsockname()[1]
        return port

    def disconnect(self) -> None:
        """Close the connections to all components, as an API server that ends does."""
        for pod in self._pods.values():
            if pod.attached is not None:
                asyncio.run_coroutine_threadsafe(pod.attached.close(), self._loop).result()

    def stop(self) -> None:
        """End it, and make sure that each pod was deleted."""
        left = [*self._pods]
        self._server.should_exit = True
        self._thread.join()
        assert left == []

    async def _create(self, request: Request) -> Response:
        if self.refuses:
            return JSONResponse({"kind": "Status", "reason": "Forbidden", "message": "pods is forbidden"}, 403)
        self._loop = asyncio.get_running_loop()
        body = await request.json()
        name = body["metadata"]["name"]
        self.bodies.append(body)
        folder = self._folder / name
        folder.mkdir()
        self._pods[name] = _Pod(name, body, folder, is_early=self.is_attached_early)
        await self._pods[name].start()
        return JSONResponse(body, 201)

    async def _show(self, request: Request) -> Response:
        pod = self._pods.get(request.path_params["name"])
        if pod is None:
            return _nothing()
        return JSONResponse(
            {
                **pod.body,
                "metadata": pod.metadata(),
                "status": {"conditions": [_FULL]} if self.is_full else pod.status(),
            }
        )

    async def _delete(self, request: Request) -> Response:
        pod = self._pods.get(request.path_params["name"])
        if pod is None:
            return _nothing()
        await pod.remove()
        del self._pods[pod.name]
        return JSONResponse(pod.body)

    async def _log(self, request: Request) -> Response:
        pod = self._pods[request.path_params["name"]]
        lines = pod.log.splitlines(keepends=True)[-int(request.query_params["tailLines"]) :]
        return Response(b"".join(lines)[: int(request.query_params["limitBytes"])], media_type="text/plain")

    async def _attach(self, socket: WebSocket) -> None:
        pod = self._pods[socket.path_params["name"]]
        assert socket.query_params["container"] == COMPONENT
        if pod.has_ended:
            await socket.close()
            return
        await socket.accept("v5.channel.k8s.io")
        pod.attached = socket
        if pod.has_ended:  # meanwhile
            await _close(socket)
        await _forward(socket, pod.process)

    async def _exec(self, socket: WebSocket) -> None:
        pod = self._pods[socket.path_params["name"]]
        assert socket.query_params["container"] == EXCHANGE
        assert tuple(socket.query_params.getlist("command")) == SERVE
        await socket.accept("v5.channel.k8s.io")
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, *SERVE[1:-1], pod.folder.path),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        reading = asyncio.gather(
            _copy(server.stdout, socket, _STDOUT), _copy(server.stderr, socket, _STDERR), return_exceptions=True
        )
        await _forward(socket, server)
        await server.wait()
        await reading


def client_of(url: str) -> CoreV1Api:
    """Return a client of the server with this address."""
    host, _, certificate = url.partition("#")
    configuration = Configuration(host=host)
    configuration.ssl_ca_cert = certificate
    return CoreV1Api(ApiClient(configuration))


def _certify(certificate: Path, key: Path) -> None:
    files = ("-keyout", key, "-out", certificate)
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    name = ("-days", "1", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    subprocess.run(["openssl", "req", "-x509", *curve, *name, *files], check=True, capture_output=True)


class _Pod:
    """A container of this machine that stands for a pod."""

    def __init__(self, name: str, body: dict[str, Any], folder: Path, *, is_early: bool) -> None:
        self.name = name
        self.body = body
        self.folder = ExchangeFolder.make(folder)
        self.log = b""
        self.has_ended = False
        self.is_deleted = False
        self.attached: WebSocket | None = None
        self._container = next(each for each in body["spec"]["containers"] if each["name"] == COMPONENT)
        self._program = find_program("podman", "any")
        self._is_early = is_early
        self._begun = time.monotonic()

    async def start(self) -> None:
        limits = self._container["resources"]["limits"]
        image = ContainerImage(
            component="any",
            image=self._container["image"],
            limits=ContainerLimits(
                cpus=int(limits["cpu"].removesuffix("m")) / 1000,
                memory_mb=int(limits["memory"].removesuffix("Mi")),
                time_s=0,
                start_s=0,
            ),
        )
        self._program.give_folder(self.folder.out)
        exists = await asyncio.create_subprocess_exec(self._program.path, "image", "exists", image.image)
        self._has_image = await exists.wait() == 0
        self.process = await asyncio.create_subprocess_exec(
            *self._program.run_command(f"imageflow-{self.name}", image, self.folder.path),
            cwd=self.folder.path,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self._following = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        await asyncio.gather(self._copy(self.process.stdout, _STDOUT), self._copy(self.process.stderr, _STDERR))
        await self.process.wait()
        self.has_ended = True
        if self.attached is not None:
            await _close(self.attached)

    async def _copy(self, stream: asyncio.StreamReader, channel: int) -> None:
        while data := await stream.read(_MIB):
            self.log = (self.log + data)[-_MIB:]
            if self.attached is not None:
                try:
                    await self.attached.send_bytes(bytes([channel]) + data)
                except (WebSocketDisconnect, RuntimeError):  # the reader has left
                    self.attached = None

    def metadata(self) -> dict[str, Any]:
        deletion = {"deletionTimestamp": datetime.now(UTC).isoformat()} if self.is_deleted else {}
        return {**self.body["metadata"], **deletion}

    def status(self) -> dict[str, Any]:
        return {
            "containerStatuses": [
                _status(COMPONENT, self._state()),
                _status(EXCHANGE, {"running": {}}),
            ]
        }

    def _state(self) -> dict[str, Any]:
        if not self._has_image:
            return {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}
        if self.has_ended:
            code = self.process.returncode
            reason = "Error"  # also of one that was killed because its pod is deleted
            if not self.is_deleted:
                reason = {_OUT_OF_MEMORY: "OOMKilled", **dict.fromkeys(_NOT_STARTED, "StartError")}.get(code, reason)
            return {"terminated": {"exitCode": code, "reason": reason, "message": self.log.decode()[-1000:]}}
        if self._is_early or self.log or time.monotonic() - self._begun > _SILENT_S:
            return {"running": {}}
        return {"waiting": {"reason": "ContainerCreating"}}

    async def remove(self) -> None:
        self.is_deleted = True
        command = self._program.remove_command(f"imageflow-{self.name}")
        removal = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        await removal.wait()
        if self.process.returncode is None:
            self.process.kill()
        await self._following


def _status(name: str, state: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "image": "any", "imageID": "any", "ready": True, "restartCount": 0, "state": state}


def _nothing() -> Response:
    return JSONResponse({"kind": "Status", "reason": "NotFound"}, 404)


async def _copy(stream: asyncio.StreamReader, socket: WebSocket, channel: int) -> None:
    while data := await stream.read(2**16):
        await socket.send_bytes(bytes([channel]) + data)


async def _forward(socket: WebSocket, process: asyncio.subprocess.Process) -> None:
    """Give what comes to a process, until either of both ends."""
    try:
        while True:
            frame = await socket.receive_bytes()
            assert frame[0] == _STDIN
            process.stdin.write(frame[1:])
            await process.stdin.drain()
    except (WebSocketDisconnect, RuntimeError, ConnectionError):
        process.stdin.close()


async def _close(socket: WebSocket) -> None:
    try:
        await socket.send_bytes(bytes([_ERROR]) + b'{"status": "Success"}')
        await socket.close()
    except (WebSocketDisconnect, RuntimeError):
        return


@contextmanager
def api_server() -> Iterator[tuple[ApiServer, CoreV1Api]]:
    """Run one, and return it with a client."""
    with TemporaryDirectory() as folder:
        server = ApiServer(Path(folder))
        core = server.start()
        try:
            yield server, core
        finally:
            core.api_client.rest_client.pool_manager.clear()  # the server's end would wait for these connections
            server.stop()
