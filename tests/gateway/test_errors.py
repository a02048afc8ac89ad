"""Every error is answered in one shape."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from fastapi import FastAPI

from imageflow_domain import errors
from imageflow_domain.errors import BadFile, BadFrames, ObjectMissing
from imageflow_gateway.edge import Edge
from imageflow_gateway.errors import install
from imageflow_gateway.metrics import RequestMetrics


@pytest.fixture
def raising(ask: Callable[..., AbstractContextManager[Any]]) -> Iterator[Any]:
    """A client of an app whose routes raise."""
    app = FastAPI()
    install(app)
    app.add_middleware(Edge, requests=RequestMetrics())

    @app.get("/bad-frames")
    def bad_frames() -> None:
        raise BadFrames([BadFile(name="a.png", reason="cut short"), BadFile(name="b.png", reason="empty")], source="in")

    @app.get("/missing")
    def missing() -> None:
        raise ObjectMissing("tiles/ab", next_step="materialise tiles again")

    @app.get("/full")
    def full() -> None:
        raise errors.StoreUnavailable("The store is full.")

    @app.get("/busy")
    def busy() -> None:
        raise errors.TooManyRequests("Everything is busy.")

    @app.get("/surprise")
    def surprise() -> None:
        raise RuntimeError("password=secret")

    with ask(app) as client:
        yield client


def test_an_error_has_code_message_details_and_timestamp(raising: Any) -> None:
    answer = raising.get("/bad-frames")
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "details", "timestamp"}
    assert error["code"] == "BAD_FRAMES"
    assert [file["name"] for file in error["details"]["files"]] == ["a.png", "b.png"]
    assert error["timestamp"].endswith("Z")


def test_a_missing_object_is_named(raising: Any) -> None:
    error = raising.get("/missing").json()["error"]
    assert error["details"] == {"key": "tiles/ab"}
    assert "materialise tiles again" in error["message"]


def test_what_may_pass_by_itself_says_when_to_ask_again(raising: Any) -> None:
    full, busy = raising.get("/full"), raising.get("/busy")
    assert (full.status_code, full.headers["retry-after"]) == (503, "5")
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "5")


def test_an_unexpected_error_tells_its_id_and_nothing_else(raising: Any, caplog: pytest.LogCaptureFixture) -> None:
    answer = raising.get("/surprise", headers={"x-request-id": "abc-1"})
    assert answer.status_code == 500
    assert answer.json()["error"]["details"] == {"request_id": "abc-1"}
    assert answer.headers["x-request-id"] == "abc-1"
    assert "secret" not in answer.text
    logged = [record for record in caplog.records if record.exc_info]
    assert len(logged) == 1
    assert logged[0].__dict__["fields"] == {"request_id": "abc-1"}
