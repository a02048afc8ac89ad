"""Camera streams over gRPC: results in order, the newest frame, and what is hostile or broken."""

import json
import queue
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from imageflow.v1 import image_processing_pb2 as shared
from imageflow.v1 import video_pb2 as pb
from imageflow.v1.limits import VIDEO_SERVICE
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.executions import ExecutionState, FrameCounts
from imageflow_engine.rpc.server import RpcServer
from imageflow_executions.history import get_execution
from imageflow_executions.preview import Previews
from imageflow_executions.streams import Streams
from tests.executions.starts import hanging, image, small
from tests.rpc.conftest import Stub, free_port, refused, until
from tests.rpc.test_hostile import answers_of, mutated


def config(spec: dict[str, Any] | None = None, **more: Any) -> pb.VideoFrame:
    about = shared.ImageMetadata(client_id="camera")
    return pb.VideoFrame(config=pb.VideoConfig(metadata=about, spec_json=json.dumps(spec or small()), **more))


def frames(*images: bytes) -> Iterator[pb.VideoFrame]:
    yield config()
    for number, data in enumerate(images):
        yield pb.VideoFrame(frame=number, image_data=data)
    yield pb.VideoFrame(is_last=True)


def slow() -> dict[str, Any]:
    """Each frame takes a fifth of a second."""
    spec = small()
    step = {"use": "blur@1", "with": {"radius_px": 1}, "from": {"image": "decode.image"}}
    spec["steps"] |= {"wait": step | {"retry": {"attempts": 2, "delay_s": 0.2}, "timeout_s": 1e-9}}
    spec["outputs"] = {"picture": "wait.image"}
    return spec


class Camera:
    """Frames that a test sends one after the other."""

    def __init__(self) -> None:
        self._frames: queue.Queue[pb.VideoFrame | None] = queue.Queue()

    def send(self, frame: pb.VideoFrame) -> None:
        self._frames.put(frame)

    def end(self) -> None:
        """End its stream in order, or what is left of it."""
        self._frames.put(pb.VideoFrame(is_last=True))
        self._frames.put(None)

    def leave(self) -> None:
        """End its messages without a last one."""
        self._frames.put(None)

    def __iter__(self) -> Iterator[pb.VideoFrame]:
        return iter(self._frames.get, None)


def until_refused(answers: Iterator[pb.ProcessedFrame]) -> list[pb.ProcessedFrame]:
    """Return what comes before a stream ends with an error."""
    found: list[pb.ProcessedFrame] = []
    with pytest.raises(grpc.RpcError):
        found.extend(answers)
    return found


def record_of(stores: Stores, execution: str) -> Any:
    return get_execution(stores, uuid.UUID(execution)).record


def until_ended(stores: Stores, execution: str) -> Any:
    until(lambda: record_of(stores, execution).state.is_end)
    return record_of(stores, execution)


def test_frames_that_come_in_time_are_all_processed_in_their_order(stub: Stub, stores: Stores) -> None:
    camera = Camera()
    camera.send(config())
    answers = iter(stub.stream(iter(camera)))
    first = next(answers)
    assert not first.HasField("frame")
    assert record_of(stores, first.execution_id).state is ExecutionState.RUNNING
    for number in range(5):
        camera.send(pb.VideoFrame(frame=number, image_data=image(number)))
        result = next(answers)
        assert (result.frame, result.dropped, {each.name for each in result.outputs}) == (
            number,
            0,
            {"picture", "pixels"},
        )
        assert all(each.data for each in result.outputs)
    camera.end()
    assert list(answers) == []
    record = until_ended(stores, first.execution_id)
    assert (record.state, record.frames) == (ExecutionState.COMPLETED, FrameCounts(processed=5))
    assert (record.request.protocol, record.request.client) == ("grpc", "camera")
    (counts,) = [stub.get(shared.ExecutionRequest(execution_id=first.execution_id)).result.frames]
    assert (counts.processed, counts.dropped, counts.failed) == (5, 0, 0)


def test_frames_that_come_too_fast_are_dropped_and_each_is_answered_or_reported_once(
    stub: Stub, stores: Stores
) -> None:
    def sending() -> Iterator[pb.VideoFrame]:
        yield config(slow())
        for number in range(50):
            yield pb.VideoFrame(frame=number, image_data=image(), is_last=number == 49)
            time.sleep(0.02)

    first, *results = stub.stream(sending())
    numbers = [result.frame for result in results]
    dropped = [number for result in results for number in result.dropped_frames]
    assert numbers == sorted(numbers)
    assert numbers[-1] == 49
    assert sorted([*numbers, *dropped]) == list(range(50))
    assert len(dropped) > 20
    assert all(result.dropped == len(result.dropped_frames) for result in results)
    counts = until_ended(stores, first.execution_id).frames
    assert (counts.processed + counts.failed, counts.dropped) == (len(numbers), len(dropped))


def test_a_frame_that_is_no_image_has_an_error_and_the_stream_goes_on(stub: Stub) -> None:
    camera = Camera()
    camera.send(config())
    answers = iter(stub.stream(iter(camera)))
    next(answers)
    camera.send(pb.VideoFrame(frame=0, image_data=b"no image"))
    broken = next(answers)
    assert (broken.error.code, broken.error.metadata["failed_step"]) == ("STEP_REFUSED", "decode")
    camera.send(pb.VideoFrame(frame=1, image_data=image()))
    assert next(answers).outputs
    camera.end()


def test_fuzzed_frames_disturb_nothing(stub: Stub) -> None:
    camera = Camera()
    camera.send(config())
    answers = iter(stub.stream(iter(camera)))
    next(answers)
    for number in range(60):
        camera.send(pb.VideoFrame(frame=number, image_data=mutated(image()) or b"x"))
        result = next(answers)
        assert result.frame == number
        assert bool(result.outputs) != bool(result.error.code)
    camera.end()


def test_mutated_messages_are_answered_or_refused_with_a_reason(stub: Stub) -> None:
    call = stub.raw("ProcessVideoStream", "stream_stream", VIDEO_SERVICE)
    for _ in range(60):
        sent = [mutated(frame.SerializeToString()) for frame in frames(image(), image(1))]
        answers_of(call(iter(sent), timeout=20))


def test_what_is_wrong_with_a_stream_is_said_at_its_beginning(stub: Stub) -> None:
    _, last = until_refused(stub.stream(iter([config(), config()])))
    assert last.error.code == "INVALID_INPUT"
    code, said = refused(lambda: stub.stream(iter([pb.VideoFrame(frame=0, image_data=image())])))
    assert (code, said.code) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_INPUT")
    cyclic = small()
    cyclic["steps"]["small"]["from"] = {"image": "grey.image"}
    code, said = refused(lambda: stub.stream(iter([config(cyclic)])))
    assert (code, said.code) == (grpc.StatusCode.INVALID_ARGUMENT, "VALIDATION_FAILED")
    assert said.metadata
    huge = pb.VideoConfig(spec_json="[" * 10**6)
    code, said = refused(lambda: stub.stream(iter([pb.VideoFrame(config=huge)])))
    assert code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "wrong", [pb.VideoFrame(frame=0, image_data=b"x"), pb.VideoFrame(frame=-5, image_data=b"x"), config()]
)
def test_a_wrong_frame_ends_the_stream_as_failed(stub: Stub, stores: Stores, wrong: pb.VideoFrame) -> None:
    camera = Camera()
    camera.send(config())
    answers = iter(stub.stream(iter(camera)))
    execution = next(answers).execution_id
    camera.send(pb.VideoFrame(frame=0, image_data=image()))
    next(answers)
    camera.send(wrong)
    code, said = refused(lambda: list(answers))
    camera.end()
    assert (code, said.code) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_INPUT")
    record = until_ended(stores, execution)
    assert (record.state, record.error.code) == (ExecutionState.FAILED, "INVALID_INPUT")


def test_a_client_that_leaves_in_the_middle_of_a_frame_ends_its_stream(stub: Stub, stores: Stores) -> None:
    camera = Camera()
    camera.send(config(hanging()))
    call = stub.stream(iter(camera))
    execution = next(call).execution_id
    camera.send(pb.VideoFrame(frame=0, image_data=image()))
    time.sleep(0.3)
    call.cancel()
    begun_s = time.monotonic()
    record = until_ended(stores, execution)
    camera.end()
    assert record.state is ExecutionState.CANCELLED
    assert time.monotonic() - begun_s < 5


def test_messages_that_end_without_a_last_one_are_a_client_that_is_gone(stub: Stub, stores: Stores) -> None:
    camera = Camera()
    camera.send(config())
    answers = iter(stub.stream(iter(camera)))
    execution = next(answers).execution_id
    camera.leave()
    code, _ = refused(lambda: list(answers))
    assert code is grpc.StatusCode.CANCELLED
    assert until_ended(stores, execution).state is ExecutionState.CANCELLED


def test_a_stream_is_cancelled_by_its_id_within_two_seconds(stub: Stub, stores: Stores) -> None:
    camera = Camera()
    camera.send(config(hanging()))
    answers = iter(stub.stream(iter(camera)))
    execution = next(answers).execution_id
    camera.send(pb.VideoFrame(frame=0, image_data=image()))
    time.sleep(0.3)
    stub.cancel(shared.ExecutionRequest(execution_id=execution))
    begun_s = time.monotonic()
    code, _ = refused(lambda: list(answers))
    assert time.monotonic() - begun_s < 3
    camera.end()
    assert code is grpc.StatusCode.CANCELLED
    assert until_ended(stores, execution).state is ExecutionState.CANCELLED


def test_a_silent_camera_is_refused_after_a_time(stub: Stub, stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imageflow_engine.rpc.video_service._IDLE_S", 0.5)
    camera = Camera()
    camera.send(config())
    code, said = refused(lambda: list(stub.stream(iter(camera))))
    camera.end()
    assert (code, said.code) == (grpc.StatusCode.DEADLINE_EXCEEDED, "TIMEOUT")


def test_a_client_that_does_not_read_its_results_is_cut_off_and_memory_stays_bounded(
    stub: Stub, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imageflow_engine.rpc.call.MESSAGE_WITHIN_S", 1.0)
    data = image(width=600, height=600)
    over = threading.Event()

    def endless() -> Iterator[pb.VideoFrame]:
        yield config(small(width=500))
        number = 0
        while not over.is_set():
            yield pb.VideoFrame(frame=number, image_data=data)
            number += 1
            time.sleep(0.01)

    call = stub.stream(endless())
    execution = next(call).execution_id
    record = until_ended(stores, execution)
    over.set()
    call.cancel()
    assert (record.state, record.error.code) == (ExecutionState.FAILED, "TIMEOUT")
    assert record.frames.dropped > record.frames.processed


def test_an_engine_that_stops_ends_its_streams(
    settings: Settings, stores: Stores, previews: Previews, streams: Streams
) -> None:
    here = settings.model_copy(update={"engine_grpc_port": free_port()})
    with RpcServer(here, stores, previews, streams) as server:
        stub = Stub(f"127.0.0.1:{server.port}")
        camera = Camera()
        camera.send(config(hanging()))
        answers = iter(stub.stream(iter(camera)))
        execution = next(answers).execution_id
        camera.send(pb.VideoFrame(frame=0, image_data=image()))
        time.sleep(0.3)
        server.stop(grace_s=5)
        (last,) = until_refused(answers)
        camera.end()
        assert last.error.code == "UNAVAILABLE"
        stub.channel.close()
    record = record_of(stores, execution)
    assert (record.state, record.error.code) == (ExecutionState.FAILED, "UNAVAILABLE")


def test_streams_beyond_the_limit_are_refused(stub: Stub) -> None:
    cameras = [Camera() for _ in range(8)]
    calls = []
    for camera in cameras:
        camera.send(config())
        calls.append(stub.stream(iter(camera)))
        next(calls[-1])
    code, said = refused(lambda: stub.stream(frames(image())))
    assert (code, said.code) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_REQUESTS")
    for camera in cameras:
        camera.end()
    for call in calls:
        assert list(call) == []
    assert len(list(stub.stream(frames(image())))) == 2
