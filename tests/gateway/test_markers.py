"""Markers: stored, searched, changed under their version, deleted."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from imageflow_clients.stores import Stores
from imageflow_domain.survey import Survey
from imageflow_surveys import markers as use_case
from tests.gateway.conftest import survey_city

PATH = "/api/v1/saves/city/first/markers"
HARBOUR = {"name": "Old harbour", "note": "two cranes", "x": 5000, "y": 6000, "colour": "teal"}


@pytest.fixture(autouse=True)
def empty(stores: Stores, survey: Survey) -> Iterator[None]:
    yield
    with stores.database.begin() as connection:
        connection.execute(text("DELETE FROM markers"))


@pytest.fixture
def place(survey: Survey) -> dict[str, Any]:
    bounds = survey.published().bounds
    return HARBOUR | {"x": bounds.x_px + 10, "y": bounds.y_px + 20}


@pytest.fixture(scope="module")
def worlds(stores: Stores) -> tuple[Survey, Survey]:
    """Two surveys of one save that show nothing alike."""
    return survey_city(stores, "worlds", seed=1), survey_city(stores, "worlds", seed=2)


def _make(client: Any, place: dict[str, Any], **fields: Any) -> dict[str, Any]:
    answer = client.post(PATH, json=place | fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["etag"] == made["etag"]
    return made


def test_a_marker_is_stored_as_it_was_given(client: Any, place: dict[str, Any], survey: Survey) -> None:
    made = _make(client, place)
    assert {key: made[key] for key in place} == place
    assert made["frame_number"] == survey.published().frame.number
    assert client.get(PATH).json()["markers"] == [made]


def test_markers_are_found_by_a_part_of_their_name_whatever_its_case(client: Any, place: dict[str, Any]) -> None:
    for name in ("Old harbour", "市役所", "harbour_2", "100%"):
        _make(client, place, name=name)
    found = {
        asked: [marker["name"] for marker in client.get(PATH, params={"q": asked}).json()["markers"]]
        for asked in ("HARB", "役", "_", "%", "nowhere", "\0")
    }
    assert found == {
        "HARB": ["harbour_2", "Old harbour"],
        "役": ["市役所"],
        "_": ["harbour_2"],
        "%": ["100%"],
        "nowhere": [],
        "\0": sorted(("Old harbour", "市役所", "harbour_2", "100%"), key=lambda name: name.lower()),
    }


def test_a_marker_changes_only_under_the_version_that_was_read(client: Any, place: dict[str, Any]) -> None:
    made = _make(client, place)
    at = f"{PATH}/{made['id']}"
    moved = client.request("PATCH", at, json={"x": place["x"] + 7}, headers={"if-match": made["etag"]})
    assert (moved.status_code, moved.json()["x"], moved.json()["name"]) == (200, place["x"] + 7, "Old harbour")
    assert moved.headers["etag"] == moved.json()["etag"] != made["etag"]
    stale = client.request("PATCH", at, json={"name": "Lost"}, headers={"if-match": made["etag"]})
    assert (stale.status_code, stale.json()["error"]["code"]) == (412, "OUTDATED")
    assert client.request("PATCH", at, json={"name": "x"}).status_code == 428
    assert client.request("DELETE", at).status_code == 428
    assert client.request("DELETE", at, headers={"if-match": made["etag"]}).status_code == 412
    assert client.request("DELETE", at, headers={"if-match": '"abc"'}).status_code == 412
    assert client.get(PATH).json()["markers"] == [moved.json()]
    assert client.request("DELETE", at, headers={"if-match": moved.json()["etag"]}).status_code == 204
    assert client.request("DELETE", at, headers={"if-match": "*"}).status_code == 404
    assert client.get(PATH).json()["markers"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "   "},
        {"name": "x" * 81},
        {"name": "two\nlines"},
        {"name": "a\0b"},
        {"note": "n" * 2001},
        {"note": "\0"},
        {"x": -1},
        {"y": 2**31},
        {"x": 1.5},
        {"colour": "#ff0000"},
        {"other": 1},
    ],
)
def test_what_a_marker_may_not_be_is_refused_and_named(
    client: Any, place: dict[str, Any], wrong: dict[str, Any]
) -> None:
    answer = client.post(PATH, json=place | wrong)
    assert answer.status_code == 422
    assert next(iter(wrong)) in answer.json()["error"]["message"]
    assert client.get(PATH).json()["markers"] == []


def test_the_longest_name_and_note_are_kept(client: Any, place: dict[str, Any]) -> None:
    made = _make(client, place, name="名" * 80, note="n" * 2000)
    assert (len(made["name"]), len(made["note"])) == (80, 2000)


def test_a_place_outside_the_frame_and_a_save_without_a_map_take_no_marker(
    client: Any, place: dict[str, Any], survey: Survey
) -> None:
    side = survey.published().frame.side_px
    assert client.post(PATH, json=place | {"x": side}).status_code == 400
    made = _make(client, place)
    headers = {"if-match": made["etag"]}
    assert client.request("PATCH", f"{PATH}/{made['id']}", json={"y": side}, headers=headers).status_code == 400
    assert client.post("/api/v1/saves/city/unheard/markers", json=place).status_code == 409
    assert client.get("/api/v1/saves/city/unheard/markers").json() == {"markers": []}


def test_a_marker_lies_in_the_frame_of_the_map_that_it_was_set_on(
    client: Any, worlds: tuple[Survey, Survey], place: dict[str, Any]
) -> None:
    older, _ = worlds
    path = "/api/v1/saves/city/worlds/markers"
    numbers = [survey.published().frame.number for survey in worlds]
    assert numbers == [1, 2]
    here = {"x": older.published().bounds.x_px, "y": older.published().bounds.y_px}
    made = [client.post(path, json=place | here | {"frame_number": number}).json() for number in (*numbers, None)]
    assert [marker["frame_number"] for marker in made] == [1, 2, 2], "null is the latest map's"
    unheard = client.post(path, json=place | here | {"frame_number": 3})
    assert (unheard.status_code, unheard.json()["error"]["code"]) == (409, "CONFLICT")
    assert "frame 3" in unheard.json()["error"]["message"]
    assert client.post(path, json=place | here | {"frame_number": 0}).status_code == 422


def test_another_save_does_not_reach_a_marker(client: Any, place: dict[str, Any]) -> None:
    made = _make(client, place)
    other = f"/api/v1/saves/city/another/markers/{made['id']}"
    assert client.request("PATCH", other, json={"name": "x"}, headers={"if-match": "*"}).status_code == 404
    assert client.request("DELETE", other, headers={"if-match": "*"}).status_code == 404


def test_a_save_has_so_many_markers_at_most(
    client: Any, place: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(use_case, "MOST_MARKERS", 2)
    _make(client, place)
    _make(client, place)
    assert client.post(PATH, json=place).status_code == 409


def test_a_page_of_another_site_may_not_write_markers(client: Any, place: dict[str, Any]) -> None:
    answer = client.post(PATH, json=place, headers={"origin": "http://elsewhere.example"})
    assert answer.status_code == 403
