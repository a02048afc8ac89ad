"""An engine with its gRPC service in this process, and a client of the library gRPC itself."""

import json
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import grpc
import pytest
from pydantic import SecretStr

from imageflow.v1 import image_processing_pb2 as pb
from imageflow.v1 import preview_pb2 as preview_pb
from imageflow.v1 import video_pb2 as video_pb
from imageflow.v1.limits import PREVIEW_SERVICE, SERVICE, STATUS_DETAILS, VIDEO_SERVICE
from imageflow_clients.settings import Settings
from imageflow_clients.step_process import StepProcesses
from imageflow_clients.stores import Stores, open_stores
from imageflow_engine.rpc.server import RpcServer
from imageflow_executions.months import prepare_months
from imageflow_executions.preview import HELD_BYTES, REUSED_BYTES, Previews
from imageflow_executions.samples import Samples
from imageflow_executions.streams import Streams
from imageflow_pipelines.engine import Engine
from imageflow_pipelines.reuse import Reuse
from tests.executions.conftest import engine_over
from tests.executions.starts import small

MOST_IMAGE_BYTES = 60_000_000
WITHIN_S = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stub:
    """The methods of the service, called by gRPC's own library."""

    def __init__(self, address: str, **options: Any) -> None:
        self.channel = grpc.insecure_channel(address, options=list(options.items()))
        self.process_stream = self._method("ProcessImageStream", pb.ImageChunk, pb.ProcessingResult, "stream_stream")
        self.process = self._method("ProcessSingleImage", pb.ImageRequest, pb.ProcessingResponse)
        self.get = self._method("GetExecution", pb.ExecutionRequest, pb.ProcessingResponse)
        self.cancel = self._method("CancelExecution", pb.ExecutionRequest, pb.ProcessingResponse)
        self.watch = self._method("WatchExecution", pb.WatchRequest, pb.ExecutionEvent, "unary_stream")
        self.read_log = self._method("ReadLog", pb.LogRequest, pb.LogLines, "unary_stream")
        self.read = self._method("ReadOutput", pb.OutputRequest, pb.OutputChunk, "unary_stream")

        self.keep = self._method(
            "KeepSample", preview_pb.SampleChunk, preview_pb.KeptSample, "stream_unary", PREVIEW_SERVICE
        )
        self.preview = self._method(
            "Preview", preview_pb.PreviewRequest, preview_pb.PreviewPart, "unary_stream", PREVIEW_SERVICE
        )

        self.stream = self._method(
            "ProcessVideoStream", video_pb.VideoFrame, video_pb.ProcessedFrame, "stream_stream", VIDEO_SERVICE
        )

    def raw(self, method: str, kind: str = "unary_unary", service: str = SERVICE) -> Callable[..., Any]:
        """Return a method whose messages are bytes."""
        return getattr(self.channel, kind)(f"/{service}/{method}")  # type: ignore[no-any-return]

    def _method(
        self, name: str, request: Any, answer: Any, kind: str = "unary_unary", service: str = SERVICE
    ) -> Callable[..., Any]:
        make = getattr(self.channel, kind)
        method = make(
            f"/{service}/{name}", request_serializer=request.SerializeToString, response_deserializer=answer.FromString
        )

        def call(message: Any, **options: Any) -> Any:
            return method(message, **{"timeout": WITHIN_S, **options})

        return call


def details(error: grpc.RpcError) -> pb.ErrorDetails:
    """Return what the status details of an error hold."""
    (data,) = [value for name, value in error.trailing_metadata() if name == STATUS_DETAILS]
    found = pb.Status.FromString(data)
    (packed,) = found.details
    made = pb.ErrorDetails()
    assert packed.Unpack(made)
    assert (found.code, found.message) == (error.code().value[0], made.message)
    return made


def refused(call: Callable[[], Any]) -> tuple[grpc.StatusCode, pb.ErrorDetails]:
    """Return the status and the details of a call that is refused."""
    with pytest.raises(grpc.RpcError) as raised:
        _all_of(call())
    return raised.value.code(), details(raised.value)


def _all_of(answer: Any) -> None:
    if isinstance(answer, Iterable):
        list(answer)


def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end_s = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def spec_request(data: bytes, spec: dict[str, Any] | None = None, **more: Any) -> pb.ImageRequest:
    return pb.ImageRequest(image_data=data, spec_json=json.dumps(spec or small()), **more)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, databases: Callable[[], SecretStr]) -> Settings:
    return Settings(
        home=tmp_path_factory.mktemp("home"),
        database_url=databases(),
        engine_grpc_port=free_port(),
        upload_limit_bytes=MOST_IMAGE_BYTES,
    )


@pytest.fixture(scope="module")
def stores(settings: Settings) -> Iterator[Stores]:
    opened = open_stores(settings)
    prepare_months(opened)
    yield opened
    opened.database.close()


@pytest.fixture(scope="module")
def previews(stores: Stores) -> Iterator[Previews]:
    """Compute previews as an engine's process does."""
    with (
        StepProcesses() as processes,
        Engine(isolation=processes, reuse=Reuse(max_bytes=REUSED_BYTES), most_held_bytes=HELD_BYTES) as engine,
    ):
        yield Previews(stores, engine, Samples())


@pytest.fixture(scope="module")
def streams(stores: Stores) -> Iterator[Streams]:
    with StepProcesses() as processes, Engine(isolation=processes) as engine:
        yield Streams(stores, engine, "streaming")


@pytest.fixture(scope="module")
def server(settings: Settings, stores: Stores, previews: Previews, streams: Streams) -> Iterator[RpcServer]:
    with RpcServer(settings, stores, previews, streams) as server:
        yield server


@pytest.fixture(scope="module")
def stub(server: RpcServer) -> Iterator[Stub]:
    found = Stub(f"127.0.0.1:{server.port}")
    yield found
    found.channel.close()


@pytest.fixture
def engine(stores: Stores) -> Iterator[None]:
    with engine_over(stores):
        yield
