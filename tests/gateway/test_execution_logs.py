"""Log lines of executions over REST, server-sent events and a WebSocket."""

import json
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.client import connect

from imageflow_clients.stores import Stores
from imageflow_domain.executions import new_id
from imageflow_executions.history import cancel_execution, get_execution
from tests.executions.starts import logged, started
from tests.gateway.answers import V1
from tests.gateway.conftest import Client

pytestmark = pytest.mark.usefixtures("live_pipeline")


@pytest.fixture
def waiting(stores: Stores) -> Iterator[uuid.UUID]:
    """An execution that no engine takes, with three lines."""
    record = started(stores)
    logged(stores, record, "one", "two", "three", attempt=1)
    yield record.id
    cancel_execution(stores, record.id)


def address(execution: uuid.UUID) -> str:
    return f"{V1}/executions/{execution}/logs"


def lines(stream: str) -> list[dict[str, Any]]:
    blocks = (
        dict(line.split(": ", 1) for line in block.split("\n") if line[:1] != ":") for block in stream.split("\n\n")
    )
    found = [block for block in blocks if block]
    assert {block["event"] for block in found} <= {"line"}
    assert all(block["id"] == json.loads(block["data"])["cursor"] for block in found)
    return [json.loads(block["data"]) for block in found]


def test_lines_are_paged_by_their_place(client: Client, waiting: uuid.UUID) -> None:
    first = client.get(address(waiting), params={"limit": 2}).json()
    assert [line["text"] for line in first["lines"]] == ["one", "two"]
    assert (first["next"], first["is_end"]) == ("1-2", False)
    line = first["lines"][0]
    assert (line["cursor"], line["attempt"], line["step"], line["level"]) == ("1-1", 1, "decode", "info")
    rest = client.get(address(waiting), params={"after": first["next"]}).json()
    assert ([line["text"] for line in rest["lines"]], rest["next"]) == (["three"], None)


@pytest.mark.parametrize(("query", "status"), [({"after": "x"}, 400), ({"limit": 0}, 422), ({"limit": 1_001}, 422)])
def test_a_wrong_place_or_number_is_refused(
    client: Client, waiting: uuid.UUID, query: dict[str, Any], status: int
) -> None:
    assert client.get(address(waiting), params=query).status_code == status


def test_an_unknown_execution_has_no_log(client: Client) -> None:
    assert client.get(address(new_id())).status_code == 404
    assert client.get(f"{address(new_id())}/events").status_code == 404


def test_a_client_that_follows_gets_every_line_and_after_a_break_those_that_it_lacks(
    client: Client, stores: Stores, waiting: uuid.UUID
) -> None:
    answers: dict[str, Any] = {}

    def follow(name: str, **headers: str) -> None:
        answers[name] = client.get(f"{address(waiting)}/events", headers=headers)

    threads = [
        threading.Thread(target=follow, args=("all",)),
        threading.Thread(target=follow, args=("rest",), kwargs={"last-event-id": "1-2"}),
    ]
    for thread in threads:
        thread.start()
    for number in range(4, 40):
        logged(stores, get_execution(stores, waiting).record, f"line {number}", first=number, attempt=1)
    cancel_execution(stores, waiting)
    for thread in threads:
        thread.join()
    texts = ["one", "two", "three", *(f"line {number}" for number in range(4, 40))]
    assert [line["text"] for line in lines(answers["all"].text)] == texts
    assert [line["text"] for line in lines(answers["rest"].text)] == texts[2:]
    follow("again", **{"last-event-id": "1-39"})
    assert answers["again"].status_code == 204
    follow("late", **{"last-event-id": "1-38"})
    assert [line["text"] for line in lines(answers["late"].text)] == ["line 39"]


def test_a_change_of_an_execution_is_no_line_and_a_line_is_no_change(
    client: Client, stores: Stores, waiting: uuid.UUID
) -> None:
    cancel_execution(stores, waiting)
    seen = client.get(f"{V1}/executions/{waiting}/events", headers={"last-event-id": "0-0"}).text
    assert [line for line in seen.split("\n") if line.startswith("event: ")] == ["event: state"] * 2


def test_a_websocket_gets_lines_of_any_execution_until_its_end(served: Any, stores: Stores, waiting: uuid.UUID) -> None:
    with connect(f"ws://127.0.0.1:{served.port}{V1}/ws") as wire:
        wire.send(json.dumps({"type": "subscribe_logs", "execution_id": str(waiting), "after": "1-1"}))
        first = json.loads(wire.recv(30))
        assert (first["type"], first["is_end"]) == ("execution_logs", False)
        assert [line["text"] for line in first["lines"]] == ["two", "three"]
        logged(stores, get_execution(stores, waiting).record, "four", first=4, attempt=1)
        assert [line["text"] for line in json.loads(wire.recv(30))["lines"]] == ["four"]
        cancel_execution(stores, waiting)
        last = json.loads(wire.recv(30))
        assert (last["lines"], last["is_end"]) == ([], True)
        wire.send(json.dumps({"type": "subscribe_logs", "execution_id": str(waiting), "after": "x"}))
        assert json.loads(wire.recv(30))["error"]["code"] == "INVALID_INPUT"
