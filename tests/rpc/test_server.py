"""Health, reflection, pings and the end of the service."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc

from imageflow.v1 import image_processing_pb2 as pb
from imageflow.v1.limits import SERVICE
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidInput, Unavailable
from imageflow_engine.rpc import reflection_pb2 as reflection
from imageflow_engine.rpc.server import RpcServer
from imageflow_executions.history import Filter, cancel_execution, list_executions
from imageflow_executions.preview import Previews
from imageflow_executions.streams import Streams
from tests.clients.servers import ROOT
from tests.executions.starts import image
from tests.rpc.conftest import WITHIN_S, Stub, free_port, spec_request, until

SERVING = health_pb2.HealthCheckResponse.SERVING


def health(stub: Stub, service: str) -> int:
    answer = health_pb2_grpc.HealthStub(stub.channel).Check(health_pb2.HealthCheckRequest(service=service), timeout=20)
    return int(answer.status)


def test_process_and_service_are_healthy(stub: Stub) -> None:
    assert health(stub, "") == SERVING
    until = time.monotonic() + 20
    while health(stub, SERVICE) != SERVING:
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize("name", ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"])
def test_tools_learn_the_services_and_their_messages(stub: Stub, name: str) -> None:
    ask = stub.channel.stream_stream(
        f"/{name}/ServerReflectionInfo",
        request_serializer=reflection.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection.ServerReflectionResponse.FromString,
    )
    wanted = [
        reflection.ServerReflectionRequest(list_services="*"),
        reflection.ServerReflectionRequest(file_containing_symbol=f"{SERVICE}.WatchExecution"),
        reflection.ServerReflectionRequest(file_by_filename="imageflow/v1/image_processing.proto"),
        reflection.ServerReflectionRequest(file_containing_symbol="no.such.Symbol"),
        reflection.ServerReflectionRequest(all_extension_numbers_of_type="x"),
    ]
    listed, by_symbol, by_name, absent, extensions = ask(iter(wanted), timeout=20)
    names = {each.name for each in listed.list_services_response.service}
    assert {SERVICE, "grpc.health.v1.Health", name} <= names
    assert by_symbol.file_descriptor_response == by_name.file_descriptor_response
    files = [FileDescriptorProto.FromString(each) for each in by_name.file_descriptor_response.file_descriptor_proto]
    assert {each.name for each in files} == {
        "imageflow/v1/image_processing.proto",
        "google/protobuf/any.proto",
        "google/protobuf/timestamp.proto",
    }
    assert absent.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert extensions.error_response.error_code == grpc.StatusCode.UNIMPLEMENTED.value[0]


def test_a_port_in_use_and_a_strange_address_are_said_at_the_start(
    settings: Settings, stores: Stores, previews: Previews, streams: Streams, server: RpcServer
) -> None:
    with pytest.raises(Unavailable, match="IMAGEFLOW_ENGINE_GRPC_PORT"):
        RpcServer(settings, stores, previews, streams).__enter__()
    elsewhere = settings.model_copy(update={"host": "192.0.2.1", "engine_grpc_port": free_port()})
    with pytest.raises(InvalidInput, match="no address of this machine"):
        RpcServer(elsewhere, stores, previews, streams).__enter__()


def test_a_server_that_stops_ends_its_followers_and_lets_calls_end(
    settings: Settings, stores: Stores, previews: Previews, streams: Streams
) -> None:
    here = settings.model_copy(update={"engine_grpc_port": free_port()})
    with RpcServer(here, stores, previews, streams) as server:
        stub = Stub(f"127.0.0.1:{server.port}")
        execution = stub.process(spec_request(image(), wait_s=0)).result.execution_id
        events: list[pb.ExecutionEvent] = []
        follower = threading.Thread(target=lambda: events.extend(stub.watch(pb.WatchRequest(execution_id=execution))))
        follower.start()
        client = uuid4().hex
        waited_for = spec_request(image(), metadata=pb.ImageMetadata(client_id=client))
        answers: list[pb.ProcessingResponse] = []
        waiter = threading.Thread(target=lambda: answers.append(stub.process(waited_for)))
        waiter.start()
        until(lambda: bool(events) and bool(list_executions(stores, Filter(client=client)).items))
        asked_s = time.monotonic()
        server.stop(grace_s=2)
    assert time.monotonic() - asked_s >= 2  # the caller still waited for its execution
    server.stop(grace_s=0)  # a second signal
    follower.join(WITHIN_S)
    waiter.join(WITHIN_S)
    assert [event.WhichOneof("event") for event in events] == ["snapshot"]
    assert [answer.result.state for answer in answers] == [pb.EXECUTION_STATE_QUEUED]
    for waiting in (execution, answers[0].result.execution_id):
        cancel_execution(stores, UUID(waiting))


SIGNALLED_AS_IT_CLOSES = """
import os, signal
from imageflow_clients.settings import Settings
from imageflow_engine.serve import serve
from imageflow_executions.journal import Journal

Journal.__exit__ = lambda *_: os.kill(os.getpid(), signal.SIGTERM)
serve(Settings())
"""


def test_a_second_signal_while_an_engine_closes_ends_it_without_a_traceback(stores: Stores, tmp_path: Path) -> None:
    url = stores.database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    environment = {
        **os.environ,
        "IMAGEFLOW_DATABASE_URL": url,
        "IMAGEFLOW_HOME": str(tmp_path),
        "IMAGEFLOW_ENGINE_GRPC_PORT": str(free_port()),
    }
    command = [sys.executable, "-c", SIGNALLED_AS_IT_CLOSES]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as engine:
        assert engine.stderr is not None
        log = ""
        while "takes executions" not in log:
            log += (line := engine.stderr.readline())
            assert line, log
        engine.send_signal(signal.SIGTERM)
        _, rest = engine.communicate(timeout=WITHIN_S)
    assert engine.returncode == -signal.SIGTERM
    assert "Traceback" not in rest
