"""The gRPC server of an engine: a thread with an event loop of its own, beside the threads that execute.

One event loop a process may use `grpc.aio`, and this is it.
"""

import asyncio
import logging
import threading
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Self

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from imageflow.v1.limits import MOST_MESSAGE_BYTES, PINGS_S, PREVIEW_SERVICE, SERVICE, VIDEO_SERVICE
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_edge.addresses import Addresses, own_addresses
from imageflow_edge.execution_ends import ExecutionEnds
from imageflow_edge.hub import Hub
from imageflow_edge.ports import check_port
from imageflow_edge.readiness import readiness
from imageflow_engine.rpc.call import Method, handler
from imageflow_engine.rpc.capacity import Capacity
from imageflow_engine.rpc.preview_service import PreviewService
from imageflow_engine.rpc.reflection import NAMES as REFLECTION
from imageflow_engine.rpc.reflection import reflection
from imageflow_engine.rpc.service import ImageProcessing, Places
from imageflow_engine.rpc.video_service import VideoService
from imageflow_executions.preview import Previews
from imageflow_executions.streams import Streams

_LOG = logging.getLogger(__name__)

_READY_S = 10.0
"""How often the stores are asked whether they answer."""

_ANSWER_S = 1.0
"""What calls get to answer once the server stops waiting for executions."""

_OPTIONS = (
    ("grpc.max_receive_message_length", MOST_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MOST_MESSAGE_BYTES),
    # Two stacks of different homes must not share a port: half of the calls would reach the other's database.
    ("grpc.so_reuseport", 0),
    # A compressed message may be a thousand times as large as its limit.
    ("grpc.compression_enabled_algorithms_bitset", 1),
    # Clients ping every 30 s; at exactly that limit, jitter alone would close their connections.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", round(PINGS_S * 2 / 3 * 1000)),
    ("grpc.keepalive_permit_without_calls", 1),
    # Clients that are gone without a word are noticed.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.max_concurrent_streams", 100),
)


@dataclass(frozen=True, kw_only=True)
class _Running:
    server: Any
    hub: Hub
    health: Any


class RpcServer:
    """A context manager: serves from its beginning to its end.

    Raises `Unavailable` or `InvalidInput` at the beginning where it cannot listen.

    Args:
        settings: Where it listens, and limits.
        stores: Where rows and objects are.
        previews: Computes previews.
        streams: Begins camera streams.
        place: Gives a place in the engine of this process; without one, executions wait in the queue.
    """

    def __init__(
        self, settings: Settings, stores: Stores, previews: Previews, streams: Streams, place: Places = nullcontext
    ) -> None:
        self._settings = settings
        self._stores = stores
        self._previews = previews
        self._streams = streams
        self._place = place
        self._begun: Future[int] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._was_asked_to_stop = False
        self._grace_s = 0.0
        self._thread = threading.Thread(target=self._run, name="imageflow-rpc", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._begun.result()

    def stop(self, *, grace_s: float) -> None:
        """Take no further call; those that go on are ended after `grace_s` seconds. Returns at once.

        Only the first call has an effect. Safe in a signal handler.
        """
        if self._was_asked_to_stop:
            return
        self._was_asked_to_stop = True
        self._grace_s = grace_s
        assert self._loop is not None  # noqa: S101 - it has begun
        self._loop.call_soon_threadsafe(self._stopping.set)

    def __enter__(self) -> Self:
        check_port(self._settings.host, self._settings.engine_grpc_port, "IMAGEFLOW_ENGINE_GRPC_PORT")
        self._thread.start()
        self._begun.result()
        return self

    def __exit__(self, *_: object) -> None:
        """Wait until every call has ended."""
        self.stop(grace_s=0)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # raised where it is begun
            if self._begun.done():
                raise
            self._begun.set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        hub, ends, capacity = Hub(self._stores.database), ExecutionEnds(self._stores.database), Capacity()
        server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=capacity.calls)
        port: int = server.add_insecure_port(_address(self._settings.host, self._settings.engine_grpc_port))
        state = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(state, server)
        video = VideoService(self._streams, capacity.camera_streams)
        self._add_services(server, hub, ends, capacity, video, port)
        await state.set(SERVICE, health_pb2.HealthCheckResponse.NOT_SERVING)  # until the stores have answered
        await server.start()
        watching = asyncio.create_task(self._watch_health(state))
        self._begun.set_result(port)
        _LOG.info("serves gRPC", extra={"fields": {"host": self._settings.host, "port": port}})
        await self._stopping.wait()
        watching.cancel()
        video.stop()
        await state.enter_graceful_shutdown()
        # Calls that wait for an execution then answer with its state, and its followers ask another engine.
        loop = asyncio.get_running_loop()
        answers = [loop.call_later(self._grace_s, close) for close in (hub.close, ends.close)]
        await server.stop(self._grace_s + _ANSWER_S)
        for answer in answers:
            answer.cancel()
        hub.close()
        ends.close()

    def _add_services(
        self, server: Any, hub: Hub, ends: ExecutionEnds, capacity: Capacity, video: VideoService, port: int
    ) -> None:
        settings = self._settings
        own = own_addresses(settings, port)
        service = ImageProcessing(
            self._stores, hub, ends, capacity, most_image_bytes=settings.upload_limit_bytes, place=self._place
        )
        previews = PreviewService(self._previews)
        methods = {
            SERVICE: service.methods(),
            PREVIEW_SERVICE: previews.methods(),
            VIDEO_SERVICE: video.methods(),
        }
        about = reflection((*methods, health.SERVICE_NAME))
        for name, those in (*methods.items(), *((name, (about,)) for name in REFLECTION)):
            server.add_generic_rpc_handlers((_handlers(name, those, own),))

    async def _watch_health(self, state: Any) -> None:
        """Say of the service whether it can work; of the process ("") that it is there."""
        while True:
            found = await readiness(self._stores)
            is_ready = found.database is None and found.store is None
            status = health_pb2.HealthCheckResponse
            await state.set(SERVICE, status.SERVING if is_ready else status.NOT_SERVING)
            await asyncio.sleep(_READY_S)


def _handlers(service: str, methods: "tuple[Method, ...]", own: Addresses) -> Any:
    return grpc.method_handlers_generic_handler(service, {each.name: handler(each, own) for each in methods})


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
