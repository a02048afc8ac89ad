"""Uploads: limits, names, and whole or not at all."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.keys import MAP_UPLOAD_TYPES
from imageflow_surveys.uploads import notice_uploads
from tests.domain.names import ANY_NAMES, CLUTTER

FOLDER = "/api/v1/uploads/maps/city/first/monday"


def test_a_file_lies_in_the_store_as_it_was_sent(client: Any, stores: Stores) -> None:
    data = bytes(range(256)) * 300
    answer = client.put(f"{FOLDER}/r00_c00.png", content=data)
    assert answer.status_code == 201
    assert answer.json() == {"key": "uploads/maps/city/first/monday/r00_c00.png", "bytes": len(data)}
    assert stores.objects.get("uploads/maps/city/first/monday/r00_c00.png", next_step="") == data


def test_a_file_sent_again_takes_the_place_of_the_older_one(client: Any, stores: Stores) -> None:
    client.put(f"{FOLDER}/again.webp", content=b"old")
    assert client.put(f"{FOLDER}/again.webp", content=b"new").status_code == 200
    assert stores.objects.get("uploads/maps/city/first/monday/again.webp", next_step="") == b"new"


def test_the_marker_may_be_empty(client: Any) -> None:
    assert client.put(f"{FOLDER}/_DONE", content=b"").json()["bytes"] == 0


def test_folders_that_began_no_survey_are_listed_newest_first_with_the_reason(client: Any, stores: Stores) -> None:
    for save in ("first", "second"):
        client.put(f"/api/v1/uploads/maps/refused/{save}/monday/r00_c00.png", content=b"no picture")
        client.put(f"/api/v1/uploads/maps/refused/{save}/monday/_DONE", content=b"")
        notice_uploads(stores)
    page = client.get("/api/v1/uploads/maps/refused", params={"limit": 1}).json()
    (newest,) = page["refused"]
    assert newest["key"] == "uploads/maps/refused/second/monday"
    assert "r00_c00.png" in newest["reason"]
    rest = client.get("/api/v1/uploads/maps/refused", params={"after": page["next"], "limit": 1}).json()
    assert [each["key"] for each in rest["refused"]] == ["uploads/maps/refused/first/monday"]
    assert client.get("/api/v1/uploads/maps/refused", params={"after": "x"}).status_code == 422


async def _chunks(total: int) -> AsyncIterator[bytes]:
    for _ in range(0, total, 1000):
        yield b"x" * 1000


def test_too_much_is_refused_by_its_stated_length(client: Any, settings: Settings, stores: Stores) -> None:
    answer = client.put(f"{FOLDER}/large.png", content=b"x" * (settings.upload_limit_bytes + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "TOO_LARGE")
    assert not stores.objects.exists("uploads/maps/city/first/monday/large.png")


def test_too_much_is_refused_while_it_is_read(client: Any, settings: Settings, stores: Stores) -> None:
    answer = client.put(f"{FOLDER}/stream.png", content=_chunks(settings.upload_limit_bytes + 1000))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "TOO_LARGE")
    assert not stores.objects.exists("uploads/maps/city/first/monday/stream.png")
    assert not [path for path in stores.scratch.iterdir() if path.is_file()]


def test_as_much_as_the_limit_is_taken(client: Any, settings: Settings) -> None:
    assert client.put(f"{FOLDER}/full.png", content=_chunks(settings.upload_limit_bytes)).status_code == 201


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("city/first/monday/notes.txt", 400),
        ("city/first/monday/.hidden.png", 400),
        ("city/first/monday/..%2f..%2fa.png", 404),
        ("city/first/monday/a%00.png", 400),
        ("city/first/monday/_done", 400),
        ("city/first/monday/" + "a" * 252 + ".png", 422),
        ("city/first/monday/" + "%C3%A9" * 126 + ".png", 400),
        ("City/first/monday/a.png", 422),
        ("city/../monday/a.png", 404),
        ("city/first/mon|day/a.png", 422),
        ("city/first/a.png", 404),
    ],
)
def test_names_that_are_not_taken(client: Any, path: str, status: int) -> None:
    answer = client.put(f"/api/v1/uploads/maps/{path}", content=b"x")
    assert (answer.status_code, set(answer.json())) == (status, {"error"})


@pytest.mark.parametrize("name", ANY_NAMES)
def test_a_file_of_any_name_lies_in_the_store_under_that_name(client: Any, stores: Stores, name: str) -> None:
    answer = client.put(f"{FOLDER}/{quote(name, safe='')}", content=name.encode())
    assert answer.json() == {"key": f"uploads/maps/city/first/monday/{name}", "bytes": len(name.encode())}
    assert stores.objects.get(f"uploads/maps/city/first/monday/{name}", next_step="") == name.encode()


@pytest.mark.parametrize("name", CLUTTER)
def test_a_file_that_is_no_picture_is_refused_by_its_name(client: Any, name: str) -> None:
    answer = client.put(f"{FOLDER}/{quote(name, safe='')}", content=b"-")
    assert answer.status_code in (400, 404)


@pytest.mark.parametrize("ending", MAP_UPLOAD_TYPES)
def test_every_type_that_a_folder_is_uploaded_with_is_taken(client: Any, ending: str) -> None:
    assert client.put(f"{FOLDER}/one_of_each{ending}", content=b"-").status_code == 201
