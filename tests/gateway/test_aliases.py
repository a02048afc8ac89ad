"""Addresses of earlier versions."""

from typing import Any
from urllib.parse import quote

import pytest

from imageflow_domain.survey import Survey
from imageflow_gateway.openapi import openapi


@pytest.mark.parametrize("old", ["/api/surveys", "/api/saves", "/api/games", "/api/drivers"])
def test_an_old_address_is_answered_as_the_new_one_and_names_it(client: Any, survey: Survey, old: str) -> None:
    new = old.replace("/api/", "/api/v1/")
    answer, expected = client.get(old), client.get(new)
    assert (answer.status_code, answer.content) == (200, expected.content)
    assert answer.headers["deprecation"].startswith("@")
    assert answer.headers["link"] == f'<{new}>; rel="successor-version"'
    assert "deprecation" not in expected.headers


def test_queries_encoded_names_and_uploads_go_to_the_new_address(client: Any, settings: Any) -> None:
    large = b"x" * settings.upload_limit_bytes
    uploaded = client.put("/api/uploads/maps/alias/home/monday/r00%20c00.png", content=large)
    assert uploaded.status_code == 201
    named = client.put(f"/api/uploads/maps/alias/home/monday/{quote('日本.png')}", content=b"x")
    assert named.status_code == 201
    assert named.headers["link"].startswith(f"</api/v1/uploads/maps/alias/home/monday/{quote('日本.png')}>;")
    assert client.get("/api/surveys/%0d%0ax%e6%97%a5").status_code == 422
    assert client.get("/api/surveys?limit=0").status_code == client.get("/api/v1/surveys?limit=0").status_code == 422


def test_jobs_keep_the_address_that_other_programs_know(client: Any) -> None:
    for address in ("/api/jobs/999999/status", "/api/v1/jobs/999999/status"):
        answer = client.get(address)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")
        assert "deprecation" not in answer.headers


@pytest.mark.parametrize("address", ["/api/surveys2", "/api/surveysx/1", "/api/other", "/api"])
def test_nothing_else_is_an_alias(client: Any, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 404
    assert "deprecation" not in answer.headers


def test_every_described_route_is_under_v1_or_a_map_or_health() -> None:
    paths = openapi()["paths"]
    assert [path for path in paths if not path.startswith(("/api/v1/", "/tiles/", "/health"))] == []
