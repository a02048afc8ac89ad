"""Previews through a gateway and an engine: by the client, by REST and over a WebSocket."""

import base64
import hashlib
import itertools
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from imageflow.client import Client
from imageflow_domain.errors import InvalidInput, Superseded
from tests.client.conftest import Deployment
from tests.executions.starts import hanging, image, small

_PATH = "/api/v1/previews"


_SEEDS = itertools.count(10_000)


def unseen() -> bytes:
    """Return an image of which no step is kept: what hangs on it does hang."""
    return image(next(_SEEDS))


@pytest.fixture
def wire(deployment: Deployment) -> Iterator[ClientConnection]:
    with connect(f"{deployment.url.replace('http', 'ws', 1)}/api/v1/ws", max_size=None) as wire:
        yield wire


def ask(deployment: Deployment, *images: bytes, **fields: Any) -> httpx.Response:
    texts = {"session": "page", "spec": json.dumps(small()), "step": "encoded", **fields}
    parts: list[tuple[str, Any]] = [(name, (None, value)) for name, value in texts.items()]
    parts += [("image", ("image.png", data)) for data in images]
    return httpx.post(deployment.url + _PATH, files=parts, timeout=30)


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_the_client_previews_by_each_protocol_with_equal_bytes(deployment: Deployment, protocol: str) -> None:
    seed = 100 if protocol == "rest" else 200
    data = image(seed)
    with Client(deployment.url, protocol=protocol) as client:
        first, second = client.preview([data, image(seed + 1)], spec=small(), step="encoded")
        (again,) = client.preview(data, spec=small(width=16), step="encoded")
        executed = client.process(data, spec=small())
    output, expected = first.outputs["encoded"], executed.outputs["picture"]
    assert output is not None
    assert expected is not None
    assert (output.data, output.sha256) == (expected.data, expected.sha256)
    assert second.outputs["encoded"] != output
    assert [step.status for step in again.steps] == ["reused", "done", "done", "done"]


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_the_client_says_what_is_wrong(deployment: Deployment, protocol: str) -> None:
    with Client(deployment.url, protocol=protocol) as client:
        with pytest.raises(InvalidInput, match="there is no step 'nowhere'"):
            client.preview(image(), spec=small(), step="nowhere")
        (broken,) = client.preview(b"no image", spec=small(), step="small")
    assert broken.error is not None
    assert (broken.error.code, broken.error.step, broken.outputs) == ("STEP_REFUSED", "decode", {})


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_a_newer_preview_of_a_client_takes_the_place_of_an_older_one(deployment: Deployment, protocol: str) -> None:
    ends: list[float] = []
    with Client(deployment.url, protocol=protocol) as client:

        def older() -> None:
            with pytest.raises(Superseded):
                client.preview(unseen(), spec=hanging(), step="decode")
            ends.append(time.monotonic())

        thread = threading.Thread(target=older)
        thread.start()
        time.sleep(0.7)
        begun_s = time.monotonic()
        assert client.preview(image(), spec=small(), step="small")
        thread.join(10)
    assert ends[0] - begun_s < 2


def test_images_are_named_by_their_digests_once_they_are_kept(deployment: Deployment) -> None:
    data = image(21)
    digest = hashlib.sha256(data).hexdigest()
    samples = json.dumps([{"picture": digest}])
    forgotten = ask(deployment, samples=samples)
    assert (forgotten.status_code, forgotten.json()["error"]["code"]) == (404, "SAMPLE_FORGOTTEN")
    (sent,) = ask(deployment, data).json()["samples"]
    assert list(sent["images"].values()) == [digest]
    (named,) = ask(deployment, samples=samples).json()["samples"]
    assert named["outputs"] == sent["outputs"]


def test_every_fault_of_a_spec_has_an_entry(deployment: Deployment) -> None:
    spec = small()
    spec["steps"]["small"]["with"] = {"width_px": -1, "mode": "fly"}
    answer = ask(deployment, image(), spec=json.dumps(spec))
    assert answer.status_code == 422
    fields = [fault["field"] for fault in answer.json()["error"]["details"]["fields"]]
    assert fields == ["steps.small.with.width_px", "steps.small.with.mode"]


@pytest.mark.parametrize(
    "fields",
    [
        {"spec": "["},
        {"spec": "[]"},
        {"session": ""},
        {"step": ""},
        {"samples": "{}"},
        {"samples": '[{"picture": 1}]'},
        {"samples": "[]"},
        {"longest_side_px": "many"},
        {"longest_side_px": "9999"},
        {"other": "x"},
    ],
)
def test_a_wrong_form_is_refused(deployment: Deployment, fields: dict[str, str]) -> None:
    answer = ask(deployment, image(), **fields)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] == "INVALID_INPUT"


def test_a_client_that_leaves_stops_its_preview(deployment: Deployment) -> None:
    for number in range(4):  # more than an engine computes at once
        fields = {"session": f"leaves {number}", "spec": json.dumps(hanging()), "step": "decode"}
        parts: list[tuple[str, Any]] = [(name, (None, value)) for name, value in fields.items()]
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(deployment.url + _PATH, files=[*parts, ("image", ("a", unseen()))], timeout=1)
    begun_s = time.monotonic()
    assert ask(deployment, image()).status_code == 200
    assert time.monotonic() - begun_s < 10


def say(wire: ClientConnection, data: bytes | None = None, **message: Any) -> None:
    images = [{"name": "picture", "size": len(data)}] if data is not None else message.pop("images")
    wire.send(json.dumps({"type": "preview", "spec": small(), "step": "encoded", "images": images, **message}))
    if data is not None:
        wire.send(data)


def hear(wire: ClientConnection) -> dict[str, Any]:
    return dict(json.loads(wire.recv(30)))


def test_a_preview_over_a_websocket_is_the_one_by_rest(deployment: Deployment, wire: ClientConnection) -> None:
    data = image(31)
    say(wire, data, id="1")
    first = hear(wire)
    assert (first["type"], first["id"]) == ("previewed", "1")
    (sample,) = first["samples"]
    (by_rest,) = ask(deployment, data).json()["samples"]
    assert sample["outputs"] == by_rest["outputs"]
    made = base64.b64decode(sample["outputs"]["encoded"]["data"])
    assert hashlib.sha256(made).hexdigest() == sample["outputs"]["encoded"]["sha256"]
    say(wire, id="2", spec=small(width=8), images=[{"name": "picture", "sha256": sample["images"]["picture"]}])
    (changed,) = hear(wire)["samples"]
    assert [step["status"] for step in changed["steps"]] == ["reused", "done", "done", "done"]


def test_over_a_websocket_the_newest_preview_wins(wire: ClientConnection) -> None:
    say(wire, unseen(), id="older", spec=hanging(), step="decode")
    time.sleep(0.5)
    begun_s = time.monotonic()
    say(wire, image(), id="newer")
    answers = {message["id"]: message for message in (hear(wire), hear(wire))}
    assert answers["older"]["error"]["code"] == "SUPERSEDED"
    assert answers["newer"]["type"] == "previewed"
    assert time.monotonic() - begun_s < 3


def test_what_is_wrong_with_a_preview_is_answered_and_the_connection_stays(wire: ClientConnection) -> None:
    cyclic = small()
    cyclic["steps"]["small"]["from"] = {"image": "grey.image"}
    say(wire, image(), id="1", spec=cyclic)
    refused = hear(wire)
    assert (refused["id"], refused["error"]["code"]) == ("1", "VALIDATION_FAILED")
    assert [fault["field"] for fault in refused["error"]["details"]["fields"]]
    say(wire, id="2", images=[{"sha256": "0" * 64}])
    assert hear(wire)["error"]["code"] == "SAMPLE_FORGOTTEN"
    say(wire, id="3", images=[{"size": 1, "sha256": "0" * 64}])
    assert hear(wire)["error"]["code"] == "INVALID_INPUT"
    say(wire, id="4", images=[])
    assert hear(wire)["error"]["code"] == "INVALID_INPUT"
    say(wire, image(), id="5")
    assert hear(wire)["type"] == "previewed"
