"""Clients of the WebSocket that are silent, do not read, or follow too much, and its unexpected errors."""

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_executions.history import cancel_execution
from imageflow_gateway.app import create_app
from imageflow_gateway.capacity import Capacity, SocketLimits
from tests.executions.starts import started
from tests.gateway.answers import V1

pytestmark = pytest.mark.usefixtures("live_pipeline")


class InProcess:
    """A connection to an app within this process: its settings can be replaced, and its client may not read.

    Args:
        said: What the client sends, one after the other.
        reads: Messages after which the client reads no more.
        until: Messages after which the client leaves.
    """

    def __init__(self, app: FastAPI, *said: Any, reads: int = 1_000, until: int = 1_000) -> None:
        self._app = app
        self._said = [{"type": "websocket.connect"}, *({"type": "websocket.receive", **each} for each in said)]
        self._reads, self._until = reads, until
        self._has_enough = asyncio.Event()
        self.answers: list[Any] = []

    def run(self) -> list[Any]:
        """Return the answers once the connection has ended."""
        port = self._app.state.gateway.settings.gateway_port
        headers = [(b"host", f"127.0.0.1:{port}".encode())]
        scope = {"type": "websocket", "scheme": "ws", "path": f"{V1}/ws", "headers": headers, "query_string": b""}
        asyncio.run(asyncio.wait_for(self._app(scope, self._receive, self._send), 30))
        return self.answers

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(each["text"]) for each in self.answers if each["type"] == "websocket.send"]

    async def _receive(self) -> Any:
        if self._said:
            return self._said.pop(0)
        await self._has_enough.wait()
        return {"type": "websocket.disconnect", "code": 1001}

    async def _send(self, message: Any) -> None:
        if len(self.answers) >= self._reads:
            await asyncio.Event().wait()
        self.answers.append(message)
        if len(self.answers) >= self._until:
            self._has_enough.set()


@pytest.fixture
def limited(settings: Settings, stores: Stores) -> Callable[..., FastAPI]:
    """Make an app whose WebSockets have other limits, which are checked often."""

    def make(**limits: Any) -> FastAPI:
        return create_app(settings, stores, Capacity(socket=SocketLimits(check_s=0.05, **limits)))

    return make


@pytest.fixture
def app(limited: Callable[..., FastAPI]) -> FastAPI:
    return limited()


@pytest.fixture
def waiting(stores: Stores) -> Iterator[uuid.UUID]:
    """An execution that no engine takes."""
    record = started(stores)
    yield record.id
    cancel_execution(stores, record.id)


def text(**message: Any) -> dict[str, str]:
    return {"text": json.dumps(message, default=str)}


def test_images_that_do_not_arrive_end_the_connection(limited: Callable[..., FastAPI]) -> None:
    answers = InProcess(limited(frame_within_s=0.3), text(type="start", images=[{"size": 10}]), {"bytes": b"x"}).run()
    assert [each["type"] for each in answers] == ["websocket.accept", "websocket.close"]
    assert (answers[1]["code"], "again" in answers[1]["reason"]) == (4504, True)


def test_a_connection_that_follows_nothing_and_sends_nothing_is_ended(
    limited: Callable[..., FastAPI], stores: Stores
) -> None:
    record = started(stores)
    cancel_execution(stores, record.id)
    answers = InProcess(limited(idle_s=0.3), text(type="subscribe", execution_id=record.id)).run()
    assert [each["type"] for each in answers] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert (answers[-1]["code"], "connect again" in answers[-1]["reason"]) == (4504, True)


def test_progress_is_sent_again_while_nothing_changes(limited: Callable[..., FastAPI], waiting: uuid.UUID) -> None:
    app = limited(beat_s=0.1, idle_s=0.1)  # a connection that follows an execution is not idle
    client = InProcess(app, text(type="subscribe", execution_id=waiting), until=5)
    client.run()
    assert {(each["state"], each["cursor"]) for each in client.messages} == {("queued", client.messages[0]["cursor"])}


def test_a_client_that_does_not_read_loses_its_connection(limited: Callable[..., FastAPI], waiting: uuid.UUID) -> None:
    app = limited(read_within_s=0.3)
    capacity = app.state.gateway.capacity
    assert len(InProcess(app, text(type="subscribe", execution_id=waiting), reads=1).run()) == 1
    assert (capacity.sockets.borrowed_tokens, capacity.socket_followers.borrowed_tokens) == (0, 0)


def test_more_executions_than_may_be_followed_are_refused_and_leave_other_clients_their_places(
    app: FastAPI, waiting: uuid.UUID
) -> None:
    capacity = app.state.gateway.capacity
    capacity.socket_followers.total_tokens = 0
    client = InProcess(app, text(type="subscribe", execution_id=waiting), until=2)
    client.run()
    (refused,) = client.messages
    assert (refused["execution_id"], refused["error"]["code"]) == (str(waiting), "TOO_MANY_REQUESTS")
    assert capacity.execution_followers.available_tokens == capacity.execution_followers.total_tokens


def test_a_connection_follows_as_many_executions_as_it_may(
    limited: Callable[..., FastAPI], stores: Stores, waiting: uuid.UUID
) -> None:
    other = started(stores).id
    said = [text(type="subscribe", id=str(each), execution_id=each) for each in (waiting, other)]
    client = InProcess(limited(followed=1), *said, until=3)
    client.run()
    cancel_execution(stores, other)
    refused = [each for each in client.messages if each["type"] == "error"]
    assert [(each["id"], each["error"]["code"]) for each in refused] == [(str(other), "TOO_MANY_REQUESTS")]


def test_messages_that_are_too_long_and_those_beyond_the_limit_of_a_minute_are_refused(
    limited: Callable[..., FastAPI],
) -> None:
    long, short = {"text": "1" * 20}, {"text": "1"}
    client = InProcess(limited(messages_a_minute=2, text_bytes=10), long, short, short, until=4)
    client.run()
    errors = [each["error"] for each in client.messages]
    assert [each["code"] for each in errors] == ["INVALID_INPUT", "INVALID_INPUT", "TOO_MANY_REQUESTS"]
    assert ["at most 10 bytes" in each["message"] for each in errors] == [True, False, False]


def test_an_unexpected_error_of_a_follower_is_answered_and_the_connection_stays(
    app: FastAPI, waiting: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imageflow_gateway.live.socket_followers.ProgressOf", broken)
    client = InProcess(app, text(type="subscribe", execution_id=waiting), {"text": "no json"}, until=3)
    client.run()
    errors = {each["error"]["code"]: each for each in client.messages}
    assert set(errors) == {"INTERNAL_ERROR", "INVALID_INPUT"}
    assert errors["INTERNAL_ERROR"]["execution_id"] == str(waiting)
    assert "secret" not in errors["INTERNAL_ERROR"]["error"]["message"]


def test_any_other_unexpected_error_ends_the_connection_with_the_id_of_its_log_line(
    app: FastAPI, waiting: uuid.UUID, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("imageflow_executions.history.get_execution", broken)
    with caplog.at_level("INFO", "imageflow_gateway.edge"):
        answers = InProcess(app, text(type="subscribe", execution_id=waiting)).run()
    assert answers[-1]["code"] == 1011
    raised, ended = (record.fields for record in caplog.records if record.name == "imageflow_gateway.edge")
    assert raised["request_id"] in answers[-1]["reason"]
    assert (ended["request_id"], ended["path"], ended["code"]) == (raised["request_id"], f"{V1}/ws", 1011)


def broken(*_: object) -> None:
    raise RuntimeError("a secret")
