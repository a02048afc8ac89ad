"""Camera streams through an engine by the client, and through a gateway over a WebSocket."""

import asyncio
import base64
import hashlib
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from imageflow.client import AsyncClient, Client, ProcessedFrame
from imageflow_domain.errors import Cancelled, InvalidInput, NotFound
from imageflow_domain.executions import ExecutionState
from imageflow_executions.history import get_execution
from tests.client.conftest import Deployment
from tests.executions.starts import hanging, image, small


@pytest.fixture
def wire(deployment: Deployment) -> Iterator[ClientConnection]:
    with connect(f"{deployment.url.replace('http', 'ws', 1)}/api/v1/ws", max_size=None) as wire:
        yield wire


def until_ended(deployment: Deployment, execution: uuid.UUID) -> Any:
    until = time.monotonic() + 20
    while not (record := get_execution(deployment.stores, execution).record).state.is_end:
        assert time.monotonic() < until
        time.sleep(0.05)
    return record


def test_frames_of_a_plain_iterable_are_processed_like_executions(deployment: Deployment) -> None:
    images = [image(seed) for seed in range(4)]

    def camera() -> Iterator[bytes]:
        for data in images:
            yield data
            time.sleep(0.3)

    with Client(deployment.url) as client:
        results = list(client.stream(camera(), pipeline="live", client_id="camera"))
        for result in results:
            executed = client.process(images[result.frame], pipeline="live")
            assert {name: output and output.data for name, output in result.outputs.items()} == {
                name: output and output.data for name, output in executed.outputs.items()
            }
        shown = client.get(results[0].execution)
    seen = sorted([*(result.frame for result in results), *(each for one in results for each in one.dropped_frames)])
    assert seen == [0, 1, 2, 3]
    assert (shown.state, shown.frames and shown.frames.processed) == (ExecutionState.COMPLETED, len(results))


def test_frames_that_come_too_fast_are_dropped(deployment: Deployment) -> None:
    async def camera() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield image(width=600, height=400)

    async def results() -> list[ProcessedFrame]:
        async with AsyncClient(deployment.url) as client:
            return [result async for result in client.stream(camera(), spec=small(width=500))]

    found = asyncio.run(results())
    assert found[-1].frame == 199
    assert sum(result.dropped for result in found) == 200 - len(found)
    assert len(found) < 200


def test_a_client_that_stops_reading_ends_its_stream(deployment: Deployment) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield image()
            time.sleep(0.02)

    with Client(deployment.url) as client:
        for result in client.stream(endless(), pipeline="live"):
            execution = result.execution
            break
    record = until_ended(deployment, execution)
    assert record.state is ExecutionState.CANCELLED
    assert record.frames.processed >= 1


def test_what_is_wrong_with_a_stream_is_raised(deployment: Deployment) -> None:
    with Client(deployment.url) as client:
        with pytest.raises(NotFound, match="absent"):
            list(client.stream([image()], pipeline="absent"))
        with pytest.raises(InvalidInput, match="one of the two"):
            list(client.stream([image()]))
        (broken,) = client.stream([b"no image"], pipeline="live")
    assert broken.error is not None
    assert (broken.error.code, broken.error.step) == ("STEP_REFUSED", "decode")


def test_an_error_of_the_camera_is_raised_and_ends_the_stream(deployment: Deployment) -> None:
    def broken() -> Iterator[bytes]:
        yield image()
        time.sleep(0.5)
        raise OSError("the camera was unplugged")

    seen: list[ProcessedFrame] = []
    with Client(deployment.url) as client, pytest.raises(OSError, match="unplugged"):
        seen.extend(client.stream(broken(), pipeline="live"))
    assert until_ended(deployment, seen[0].execution).state is ExecutionState.CANCELLED


@pytest.mark.parametrize("times", range(3))
def test_a_cancelled_stream_is_said_to_be_cancelled_while_frames_are_sent(deployment: Deployment, times: int) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield image()
            time.sleep(0.002)

    def cancelling(client: Client) -> None:
        for place, result in enumerate(client.stream(endless(), pipeline="live")):
            if place == 0:
                client.cancel(result.execution)

    with Client(deployment.url) as client, pytest.raises(Cancelled):
        cancelling(client)


def say(wire: ClientConnection, **message: Any) -> None:
    wire.send(json.dumps(message))


def hear(wire: ClientConnection) -> dict[str, Any]:
    return dict(json.loads(wire.recv(30)))


def test_over_a_websocket_each_binary_frame_is_an_image(deployment: Deployment, wire: ClientConnection) -> None:
    say(wire, type="stream", id="1", pipeline="live", client_id="page", parameters={"small.width_px": 16})
    begun = hear(wire)
    assert (begun["type"], begun["id"]) == ("streaming", "1")
    for number in range(3):
        wire.send(image(number))
        result = hear(wire)
        assert (result["type"], result["frame"], result["dropped"], result["error"]) == ("frame", number, 0, None)
        output = result["outputs"]["picture"]
        assert hashlib.sha256(base64.b64decode(output["data"])).hexdigest() == output["sha256"]
    wire.send(b"no image")
    broken = hear(wire)
    assert (broken["error"]["code"], broken["error"]["details"]) == ("STEP_REFUSED", {"failed_step": "decode"})
    say(wire, type="end_stream", id="2")
    assert hear(wire) == {"type": "stream_ended", "id": "1", "execution_id": begun["execution_id"]}
    record = until_ended(deployment, uuid.UUID(begun["execution_id"]))
    assert (record.state, record.frames.processed, record.frames.failed) == (ExecutionState.COMPLETED, 3, 1)
    assert (record.request.client, record.request.parameters["small"]["width_px"]) == ("page", 16)


def test_over_a_websocket_the_newest_frame_wins(wire: ClientConnection) -> None:
    say(wire, type="stream", id="1", spec=small(width=500))
    assert hear(wire)["type"] == "streaming"
    data = image(width=600, height=400)
    for _ in range(100):
        wire.send(data)
    say(wire, type="end_stream")
    results = []
    while (message := hear(wire))["type"] == "frame":
        results.append(message)
    assert message["type"] == "stream_ended"
    numbers = [result["frame"] for result in results]
    assert (numbers, numbers[-1]) == (sorted(numbers), 99)
    assert sum(result["dropped"] for result in results) == 100 - len(results) > 0


def test_what_is_wrong_with_a_stream_is_answered_and_the_connection_stays(wire: ClientConnection) -> None:
    say(wire, type="end_stream", id="0")
    assert hear(wire)["error"]["code"] == "INVALID_INPUT"
    say(wire, type="stream", id="1", pipeline="absent")
    refused = hear(wire)
    assert (refused["id"], refused["error"]["code"]) == ("1", "NOT_FOUND")
    say(wire, type="stream", id="2", pipeline="live")
    assert hear(wire)["type"] == "streaming"
    say(wire, type="stream", id="3", pipeline="live")
    assert hear(wire)["error"]["code"] == "CONFLICT"
    say(wire, type="start", id="4", pipeline="live", images=[{"size": 3}])
    assert hear(wire)["error"]["code"] == "CONFLICT"
    wire.send(b"")
    assert hear(wire)["error"]["code"] == "INVALID_INPUT"
    wire.send(b"x" * 4_000_001)
    assert hear(wire)["error"]["code"] == "TOO_LARGE"
    wire.send(image())
    assert hear(wire)["frame"] == 0
    say(wire, type="end_stream")
    assert hear(wire)["type"] == "stream_ended"
    say(wire, type="start", id="5", pipeline="live", images=[{"size": len(image())}])
    wire.send(image())
    assert hear(wire)["type"] == "accepted"


def test_a_page_that_is_closed_in_the_middle_of_a_frame_ends_its_stream(deployment: Deployment) -> None:
    with connect(f"{deployment.url.replace('http', 'ws', 1)}/api/v1/ws") as wire:
        say(wire, type="stream", id="1", spec=hanging())
        execution = uuid.UUID(hear(wire)["execution_id"])
        wire.send(image())
        time.sleep(0.5)
    assert until_ended(deployment, execution).state is ExecutionState.CANCELLED
