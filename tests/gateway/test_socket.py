"""Executions over a WebSocket, through the server that users have."""

import base64
import hashlib
import json
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect

from imageflow_clients.stores import Stores
from imageflow_executions.history import get_execution
from tests.browser.stand import running_browser
from tests.executions.starts import hanging, image, small, until_running
from tests.gateway.answers import V1

pytestmark = pytest.mark.usefixtures("live_pipeline")


@pytest.fixture
def address(served: Any) -> str:
    return f"ws://127.0.0.1:{served.port}{V1}/ws"


@pytest.fixture
def wire(address: str) -> Iterator[ClientConnection]:
    with connect(address, max_size=None) as wire:
        yield wire


def say(wire: ClientConnection, **message: Any) -> None:
    wire.send(json.dumps(message))


def hear(wire: ClientConnection) -> dict[str, Any]:
    return dict(json.loads(wire.recv(30)))


def start(wire: ClientConnection, data: bytes, *, frames: int = 1, **message: Any) -> dict[str, Any]:
    """Start an execution, and return the answer."""
    say(wire, type="start", id="1", images=[{"size": len(data)}], **({"pipeline": "live"} | message))
    size = -(-len(data) // frames)
    for begin in range(0, len(data), size):
        wire.send(data[begin : begin + size])
    return hear(wire)


def until_end(wire: ClientConnection) -> list[dict[str, Any]]:
    found = []
    while not found or found[-1]["state"] not in ("completed", "failed", "cancelled"):
        found.append(hear(wire))
        assert found[-1]["type"] == "execution_progress", found[-1]
    return found


def test_an_image_in_frames_is_executed_and_its_progress_has_the_documents_shape(
    wire: ClientConnection, stores: Stores, engine: None
) -> None:
    data = image()
    accepted = start(wire, data, frames=3, parameters={"width_px": 20}, priority="high", client_id="page")
    assert (accepted["type"], accepted["id"]) == ("accepted", "1")
    seen = until_end(wire)
    last = seen[-1]
    documented = {
        "type",
        "execution_id",
        "pipeline_id",
        "current_step",
        "progress_percentage",
        "elapsed_time_ms",
        "estimated_remaining_ms",
        "step_results",
    }
    assert documented <= set(last)
    assert (last["execution_id"], last["pipeline_id"]) == (accepted["execution_id"], "live@1")
    assert (last["state"], last["progress_percentage"], last["current_step"]) == ("completed", 100.0, None)
    assert [(step["step_name"], step["status"]) for step in last["step_results"]] == [
        (step, "completed") for step in ("decode", "small", "grey", "encoded")
    ]
    assert all(step["resources"]["peak_memory_bytes"] > 0 for step in last["step_results"])
    percentages = [one["progress_percentage"] for one in seen]
    assert percentages == sorted(percentages)
    assert len({one["cursor"] for one in seen}) == len(seen)
    record = get_execution(stores, uuid.UUID(accepted["execution_id"])).record
    assert (record.request.protocol, record.request.client) == ("websocket", "page")
    assert record.request.parameters["small"]["width_px"] == 20
    (stored,) = record.inputs.values()
    assert stored.sha256 == hashlib.sha256(data).hexdigest()


def test_another_connection_follows_it_and_continues_after_any_message(
    wire: ClientConnection, address: str, engine: None
) -> None:
    execution = start(wire, image())["execution_id"]
    until_end(wire)
    say(wire, type="subscribe", execution_id=execution, after="0-0")
    every = until_end(wire)
    assert len(every) == 11
    with connect(address) as second:
        say(second, type="subscribe", execution_id=execution)
        (snapshot,) = until_end(second)
        assert {**snapshot, "elapsed_time_ms": 0} == {**every[-1], "elapsed_time_ms": 0}
        for place in (0, 4, 9):
            say(second, type="subscribe", execution_id=execution, after=every[place]["cursor"])
            assert until_end(second) == every[place + 1 :]


def test_several_executions_are_followed_and_one_is_cancelled(
    wire: ClientConnection, stores: Stores, engine: None
) -> None:
    slow = start(wire, image(), pipeline=None, spec=hanging())["execution_id"]
    until_running(stores, uuid.UUID(slow), "decode")
    say(wire, type="start", id="2", pipeline="live", images=[{"size": len(image(1))}])
    wire.send(image(1))
    ended = {}
    while len(ended) < 2:
        message = hear(wire)
        if message.get("state") in ("completed", "cancelled"):
            ended[message["execution_id"]] = message["state"]
            if message["state"] == "completed":
                say(wire, type="cancel", id="3", execution_id=slow)
    assert ended.pop(slow) == "cancelled"
    assert list(ended.values()) == ["completed"]


def test_unsubscribing_ends_its_messages(wire: ClientConnection, stores: Stores) -> None:
    execution = start(wire, image())["execution_id"]
    assert hear(wire)["state"] == "queued"
    say(wire, type="unsubscribe", execution_id=execution)
    say(wire, type="cancel", id="2", execution_id=execution)
    assert hear(wire) == {"type": "cancelling", "id": "2", "execution_id": execution}
    with pytest.raises(TimeoutError):
        wire.recv(0.5)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("no json", "INVALID_INPUT"),
        ("[]", "INVALID_INPUT"),
        ("[" * 100_000, "INVALID_INPUT"),
        ('{"type": "fly"}', "INVALID_INPUT"),
        ('{"type": "start", "pipeline": "live", "images": []}', "INVALID_INPUT"),
        ('{"type": "start", "pipeline": "live", "images": [{"size": 100001}]}', "TOO_LARGE"),
        ('{"type": "start", "images": [{"name": "a", "size": 50001}, {"name": "b", "size": 50000}]}', "TOO_LARGE"),
        ('{"type": "start", "images": [{"size": 1}, {"size": 1}]}', "INVALID_INPUT"),
        ('{"type": "subscribe", "execution_id": "0199d1f0-7c3a-7b52-9c1e-4f6a2d8e0b31"}', "NOT_FOUND"),
        ('{"type": "cancel", "execution_id": "0199d1f0-7c3a-7b52-9c1e-4f6a2d8e0b31"}', "NOT_FOUND"),
        (
            '{"type": "subscribe", "execution_id": "0199d1f0-7c3a-7b52-9c1e-4f6a2d8e0b31", "after": "x"}',
            "INVALID_INPUT",
        ),
        (b"a frame of nothing", "INVALID_INPUT"),
    ],
)
def test_what_is_wrong_is_answered_and_the_connection_stays(
    wire: ClientConnection, said: str | bytes, code: str, engine: None
) -> None:
    wire.send(said)
    answer = hear(wire)
    assert (answer["type"], answer["error"]["code"]) == ("error", code)
    assert answer["error"]["message"]
    assert start(wire, image())["type"] == "accepted"
    assert until_end(wire)[-1]["state"] == "completed"


def test_a_start_that_cannot_run_is_refused_once_its_images_are_there(wire: ClientConnection) -> None:
    refused = start(wire, image(), pipeline="absent")
    assert (refused["id"], refused["error"]["code"]) == ("1", "NOT_FOUND")
    say(wire, type="start", id="2", pipeline="live", images=[{"size": 10}])
    wire.send(b"x" * 11)
    beyond = hear(wire)
    assert (beyond["id"], beyond["error"]["code"]) == ("2", "INVALID_INPUT")
    say(wire, type="start", id="3", pipeline="live", images=[{"size": 10}])
    say(wire, type="start", id="4", pipeline="live", images=[{"size": 10}])
    assert (hear(wire)["id"]) == "4"


def test_control_messages_are_limited_and_frames_are_not(wire: ClientConnection) -> None:
    say(wire, type="start", id="1", pipeline="live", images=[{"size": 1_000}])
    for _ in range(999):
        wire.send(b"x")
    for _ in range(100):
        say(wire, type="unsubscribe", execution_id=str(uuid.uuid4()))
    assert hear(wire)["error"]["code"] == "TOO_MANY_REQUESTS"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_pages_of_other_sites_open_none(address: str, origin: str) -> None:
    with pytest.raises((InvalidHandshake, ConnectionClosed)), connect(address, origin=origin) as wire:  # type: ignore[arg-type]
        wire.recv(10)


def test_our_own_pages_open_one(served: Any, address: str) -> None:
    with connect(address, origin=f"http://127.0.0.1:{served.port}") as wire:  # type: ignore[arg-type]
        wire.send("x")
        assert hear(wire)["type"] == "error"


def test_the_description_has_every_message_and_its_references_lead_somewhere(served: Any) -> None:
    described = httpx.get(f"{served.url}/asyncapi.json").json()
    assert described["asyncapi"] == "3.0.0"
    (channel,) = described["channels"].values()
    assert channel["address"] == f"{V1}/ws"
    assert set(channel["messages"]) == {
        *("Start", "Preview", "Stream", "EndStream", "Subscribe", "Unsubscribe", "Cancel", "Frame"),
        *("SubscribeLogs", "UnsubscribeLogs", "ExecutionLogs"),
        *("Accepted", "Cancelling", "ExecutionProgress", "SocketError"),
        *("Previewed", "Streaming", "FrameResult", "StreamEnded"),
    }
    for reference in _references(described):
        place = described
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        for each in part.values():
            yield from _references(each)
    elif isinstance(part, list):
        for each in part:
            yield from _references(each)


_IN_A_PAGE = """async ([data, spec]) => {
  const socket = new WebSocket(`ws://${location.host}/api/v1/ws`);
  const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
  return await new Promise((resolve, reject) => {
    const states = [];
    socket.onerror = () => reject(new Error("the connection failed"));
    socket.onopen = () => {
      socket.send(JSON.stringify({type: "start", spec, images: [{size: bytes.length}]}));
      socket.send(bytes);
    };
    socket.onmessage = ({data}) => {
      const message = JSON.parse(data);
      if (message.type === "error") reject(new Error(data));
      states.push(message.state);
      if (message.state === "completed") resolve(message);
    };
  });
}"""


def test_a_page_in_a_browser_sends_an_image_and_sees_its_progress(served: Any, engine: None) -> None:
    with running_browser() as browser:
        page = browser.new_page()
        page.goto(f"{served.url}/")
        last = page.evaluate(_IN_A_PAGE, [base64.b64encode(image()).decode(), small()])
    assert (last["state"], last["progress_percentage"]) == ("completed", 100)
    assert [step["status"] for step in last["step_results"]] == ["completed"] * 4


def test_a_failed_step_has_its_error_in_events_and_in_a_snapshot(
    wire: ClientConnection, address: str, engine: None
) -> None:
    execution = start(wire, b"no image at all")["execution_id"]
    last = until_end(wire)[-1]
    by_events = {each["step_name"]: each for each in last["step_results"]}
    assert by_events["decode"]["error"]
    with connect(address) as second:
        say(second, type="subscribe", execution_id=execution)
        (snapshot,) = until_end(second)
    assert {each["step_name"]: each for each in snapshot["step_results"]} == by_events
