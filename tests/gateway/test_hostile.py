"""Every request gets a clear answer in the one shape, never a failure of ours, and takes little memory."""

import random
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from imageflow_domain.survey import Survey
from imageflow_gateway.openapi import openapi

NASTY = [
    "0", "1", "-1", "999", "1000", "2147483647", "2147483648", "9223372036854775807", "1e9", "0x10", "1.5", "nan",
    "inf", "", " ", "null", "true", "%00", "\0", "\u202e", "名", "a" * 300, "../../etc/passwd", "..%2f..", "'; --",
    "{}", "[]", "city", "first", "city-first-0001", "city-nobody-0001", "city-first-9999999999", "gif", "webp",
]  # fmt: skip
DOWN = {"DAGSTER_UNAVAILABLE", "UNAVAILABLE"}
"""Nothing of these is started in these tests."""

ROUNDS = 40


def _operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in openapi()["paths"].items():
        for method, operation in methods.items():
            if not path.endswith("/events") and not path.startswith("/api/v1/uploads"):
                yield method.upper(), path, operation


def _quoted(value: str) -> str:
    return value.replace("%", "%25").replace("/", "%2F").replace("?", "%3F").replace("#", "%23").replace("\0", "%00")


@pytest.mark.parametrize(("method", "path", "operation"), list(_operations()), ids=lambda one: str(one)[:60])
def test_no_request_makes_the_gateway_fail(
    client: Any, survey: Survey, method: str, path: str, operation: dict[str, Any]
) -> None:
    dice = random.Random(f"{method} {path}")  # noqa: S311 - the same requests each time
    for _ in range(ROUNDS):
        address, query = path, {}
        for parameter in operation.get("parameters", ()):
            value = dice.choice(NASTY)
            if parameter["in"] == "path":
                known = {"survey": survey.id, "game": "city", "save": "first"}
                value = known.get(parameter["name"], value) if dice.random() < 0.7 else value
                address = address.replace(f"{{{parameter['name']}}}", _quoted(value))
            elif parameter["in"] == "query" and dice.random() < 0.8:
                query[parameter["name"]] = value
        body = dice.choice([{}, [], None, "x", {"name": 5, "x": "y"}, {"name": "\0", "x": 2**70, "y": -1}])
        options = {"json": body} if method in {"POST", "PATCH", "PUT"} else {}
        answer = client.request(method, address, params=query, headers={"if-match": dice.choice(NASTY[:8])}, **options)
        if answer.status_code >= 400:
            error = answer.json()["error"]
            assert answer.status_code < 500 or error["code"] in DOWN, (address, query, answer.text)
            assert error["message"]


def test_the_largest_region_is_shown_in_little_memory(client: Any, survey: Survey) -> None:
    side = survey.published().frame.side_px
    tracemalloc.start()
    try:
        answer = client.get(
            "/api/v1/saves/city/first/animation.webp", params={"x": 0, "y": 0, "width": side, "height": side}
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status_code == 200, answer.text
    assert peak < 40_000_000


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("shape", ['{"water": %s}', '{"view": [1280, %s]}', '{"water": {"deep": [[%s]]}}'])
def test_a_number_that_is_none_is_refused_wherever_it_stands(client: Any, number: str, shape: str) -> None:
    body = f'{{"game_id": "city", "save_data_id": "odd", "parameters": {shape % number}}}'
    answer = client.post("/api/jobs", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "VALIDATION_FAILED")
    assert "body.parameters: " in answer.json()["error"]["message"]
    assert "finite" in answer.json()["error"]["message"]
    assert client.get("/api/v1/surveys", params={"game": "city", "save": "odd"}).json()["surveys"] == []
