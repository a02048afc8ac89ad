"""Bytes and clients that mean harm, or are broken: a clear error each, and nothing else is disturbed."""

import random
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator

import grpc
import pytest

from imageflow.v1 import image_processing_pb2 as pb
from imageflow.v1.limits import MOST_MESSAGE_BYTES
from imageflow_catalog.pipelines import publish_pipeline
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_engine.rpc.call import Call
from tests.executions.starts import image, small
from tests.rpc.conftest import Stub, refused, spec_request

_RANDOM = random.Random(5)  # noqa: S311 - the same bytes each time

CLEAR = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.RESOURCE_EXHAUSTED}


@pytest.fixture(scope="module", autouse=True)
def published(stores: Stores) -> None:
    publish_pipeline(stores, small("live"))


@pytest.fixture(autouse=True)
def works_afterwards(stub: Stub) -> Iterator[None]:
    yield
    answer = stub.process(spec_request(image(), wait_s=0))
    assert stub.cancel(pb.ExecutionRequest(execution_id=answer.result.execution_id)).result.execution_id


def mutated(data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(_RANDOM.randint(1, 8)):
        match _RANDOM.randint(0, 2):
            case 0 if changed:
                changed[_RANDOM.randrange(len(changed))] = _RANDOM.randrange(256)
            case 1:
                del changed[_RANDOM.randrange(len(changed) + 1) :]
            case _:
                changed[_RANDOM.randrange(len(changed) + 1) :] += _RANDOM.randbytes(_RANDOM.randint(1, 40))
    return bytes(changed)


def answers_of(call: Iterator[bytes]) -> list[bytes]:
    """Return the answers of a call; none where it is refused, with a code and a reason that fit."""
    try:
        return list(call)
    except grpc.RpcError as error:
        code, reason = error.code(), error.details()
    assert code in CLEAR, reason
    assert reason
    return []


def valid(method: str) -> bytes:
    about = pb.ImageMetadata(pipeline_config=pb.PipelineConfig(pipeline_id="live", parameters={"width_px": "20"}))
    match method:
        case "ProcessSingleImage":
            return pb.ImageRequest(image_data=b"picture", metadata=about, wait_s=0).SerializeToString()
        case "ProcessImageStream":
            return pb.ImageChunk(
                correlation_id="a", image_data=b"x", total_chunks=2, metadata=about
            ).SerializeToString()
        case "WatchExecution":
            return pb.WatchRequest(execution_id="0199d1f0-7c3a-7b52-9c1e-4f6a2d8e0b31").SerializeToString()
        case "ReadOutput":
            return pb.OutputRequest(execution_id="0199d1f0-7c3a-7b52-9c1e-4f6a2d8e0b31", name="a").SerializeToString()
    return pb.ExecutionRequest(execution_id="0199d1f0-7c3a-7b52-9c1e-4f6a2d8e0b31").SerializeToString()


@pytest.mark.parametrize(
    "method", ["ProcessSingleImage", "GetExecution", "WatchExecution", "CancelExecution", "ReadOutput"]
)
def test_mutated_messages_are_answered_or_refused_with_a_reason(stub: Stub, method: str) -> None:
    call = stub.raw(method, "unary_stream")
    for _ in range(60):
        for answer in answers_of(call(mutated(valid(method)), timeout=20)):
            response = pb.ProcessingResponse.FromString(answer)
            stub.cancel(pb.ExecutionRequest(execution_id=response.result.execution_id))


def test_mutated_chunks_are_answered_or_refused_with_a_reason(stub: Stub) -> None:
    call = stub.raw("ProcessImageStream", "stream_stream")
    for _ in range(60):
        sent = [mutated(valid("ProcessImageStream")) for _ in range(3)]
        answers = answers_of(call(iter(sent), timeout=20))
        assert all(pb.ProcessingResult.FromString(each).error.code for each in answers)


def test_bytes_that_are_no_message_are_said_to_be_none(stub: Stub) -> None:
    code, said = refused(lambda: stub.raw("ProcessSingleImage")(b"\xff" * 1_000))
    assert (code, said.code) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_INPUT")
    assert "ImageRequest" in said.message


def test_a_call_without_a_message_is_refused(stub: Stub) -> None:
    code, said = refused(lambda: stub.raw("ProcessSingleImage", "stream_unary")(iter(())))
    assert (code, said.code) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_INPUT")


def test_a_message_beyond_the_limit_is_refused(stub: Stub) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        stub.raw("ProcessSingleImage")(b"\0" * (MOST_MESSAGE_BYTES + 1))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_message_that_grows_when_it_is_decompressed_is_not_decompressed(stub: Stub) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        stub.raw("ProcessSingleImage")(b"\0" * 200_000_000, compression=grpc.Compression.Gzip, timeout=60)
    assert raised.value.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.RESOURCE_EXHAUSTED)


def test_an_image_that_grows_when_it_is_decoded_fails_its_execution_alone(stub: Stub, engine: None) -> None:
    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", zlib.compress(b"\0" * 10**7)) + part(b"IEND", b"")
    )
    result = stub.process(spec_request(bomb)).result
    assert result.state == pb.EXECUTION_STATE_FAILED
    assert (result.error.code, result.error.metadata["failed_step"]) == ("STEP_REFUSED", "decode")


@pytest.mark.parametrize(
    "parameters", [{"width_px": "9" * 3_000_000}, {"x" * 3_000_000: "1"}, {"width_px": "[" * 10**6}]
)
def test_a_huge_parameter_is_refused_with_a_short_reason(stub: Stub, parameters: dict[str, str]) -> None:
    about = pb.ImageMetadata(pipeline_config=pb.PipelineConfig(pipeline_id="live", parameters=parameters))
    code, said = refused(lambda: stub.process(pb.ImageRequest(image_data=image(), metadata=about)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert said.ByteSize() < 4_000


def test_a_cyclic_spec_is_refused_with_the_paths_of_its_faults(stub: Stub) -> None:
    steps = {
        "a": {"use": "blur@1", "from": {"image": "b.image"}},
        "b": {"use": "blur@1", "from": {"image": "a.image"}},
    }
    spec = {"pipeline": "cyclic", "steps": steps, "outputs": {"out": "a.image"}}
    code, said = refused(lambda: stub.process(spec_request(image(), spec)))
    assert (code, said.code) == (grpc.StatusCode.INVALID_ARGUMENT, "VALIDATION_FAILED")
    assert said.metadata


def test_a_slow_sender_is_refused_after_a_time(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imageflow_engine.rpc.service.MESSAGE_WITHIN_S", 0.5)
    ended = threading.Event()

    def sending() -> Iterator[pb.ImageChunk]:
        yield pb.ImageChunk(correlation_id="slow", image_data=b"x", total_chunks=2)
        ended.wait(30)

    begun_s = time.monotonic()
    code, said = refused(lambda: stub.process_stream(sending()))
    ended.set()
    assert (code, said.code) == (grpc.StatusCode.DEADLINE_EXCEEDED, "TIMEOUT")
    assert time.monotonic() - begun_s < 10


def test_senders_that_never_complete_a_message_hold_their_places_for_a_limited_time(
    settings: Settings, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(Call.receive.__kwdefaults__, "within_s", 0.5)
    held = threading.Event()
    calls = [stub.raw("ProcessSingleImage", "stream_unary").future(iter(held.wait, True)) for _ in range(20)]
    for call in calls:
        assert call.exception(timeout=20).code() is grpc.StatusCode.DEADLINE_EXCEEDED
    held.set()


def test_a_client_that_does_not_read_its_answers_is_cut_off(
    stub: Stub, engine: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = {
        "decode": {"use": "decode@1", "from": {"picture": "inputs.picture"}},
        "large": {"use": "resize@1", "with": {"width_px": 2_000}, "from": {"image": "decode.image"}},
    }
    spec = {"pipeline": "large", "steps": steps, "outputs": {"pixels": "large.image"}}
    result = stub.process(spec_request(image(width=500, height=500), spec)).result
    monkeypatch.setattr("imageflow_engine.rpc.call.MESSAGE_WITHIN_S", 0.5)
    call = stub.read(pb.OutputRequest(execution_id=result.execution_id, name="pixels"))
    time.sleep(2)
    with pytest.raises(grpc.RpcError) as cut:
        list(call)
    assert cut.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    "said",
    [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 10_000, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 5_000],
)
def test_what_is_no_grpc_is_closed(settings: Settings, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", settings.engine_grpc_port), timeout=30) as connection:
        connection.sendall(said)
        while connection.recv(65_536):
            pass
