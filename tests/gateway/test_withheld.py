"""A map that is whole and was not published: the API's answers about it, and what moving addresses show meanwhile."""

import json
from typing import Any

import pytest

from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Carrier, Survey, SurveyState
from imageflow_surveys import states
from imageflow_surveys.blocks import capture_blocks, cut_blocks, register_blocks
from imageflow_surveys.overview import make_overviews
from imageflow_surveys.place import place_survey
from imageflow_surveys.plan import plan_survey
from tests.gateway.conftest import city, survey_city
from tests.surveys.states import completed

WHY = "2 loops of neighbouring offsets do not close."


def _withheld(stores: Stores, save: str) -> Survey:
    """Return a survey that has ended, its map whole but not published."""
    survey = plan_survey(stores, city(save), Carrier.COMMAND_LINE)
    capture_blocks(stores, survey, survey.blocks())
    register_blocks(stores, survey, survey.blocks())
    place_survey(stores, survey)
    survey = states.read(stores, survey.id)
    cut_blocks(stores, survey, survey.blocks())
    with stores.database.begin() as connection:
        rows.withhold(connection, survey, 20, WHY)
    completed(stores, survey)
    return states.read(stores, survey.id)


@pytest.fixture(scope="module")
def surveys(stores: Stores) -> tuple[Survey, Survey]:
    """A published survey, and a later one that is withheld."""
    return survey_city(stores, "withheld"), _withheld(stores, "withheld")


def test_a_withheld_survey_is_complete_and_says_why_it_is_not_published(
    client: Any, surveys: tuple[Survey, Survey]
) -> None:
    shown, withheld = surveys
    told = client.get(f"/api/v1/surveys/{withheld.id}").json()
    assert (told["state"], told["withheld"], told["revision"], told["reason"]) == ("completed", WHY, None, None)
    assert (told["links"]["tilejson"], told["links"]["thumbnail"]) == (None, None)
    listed = {
        one["id"]: one["withheld"] for one in client.get("/api/v1/surveys?game=city&save=withheld").json()["surveys"]
    }
    assert listed == {withheld.id: WHY, shown.id: None}
    trust = client.get(f"/api/v1/surveys/{withheld.id}/trust").json()
    assert (trust["withheld"], trust["screenshots"]) == (WHY, 12)
    assert client.get(f"/api/v1/surveys/{shown.id}/trust").json()["withheld"] is None
    stages = {stage["layer"]: stage["state"] for stage in _stages(client, withheld.id)}
    assert (stages["overviews"], stages["screenshot_cleanup"]) == ("done", "missing")


def _stages(client: Any, survey: str) -> Any:
    events = client.get(f"/api/v1/surveys/{survey}/events").text
    (data,) = [line for line in events.splitlines() if line.startswith("data: ") and "stages" in line]
    return json.loads(data.removeprefix("data: "))["stages"]


def test_moving_addresses_stay_at_the_survey_before(client: Any, surveys: tuple[Survey, Survey]) -> None:
    shown, withheld = surveys
    latest = client.get("/tiles/tilejson.json?game=city&save=withheld").json()["imageflow"]
    assert (latest["survey"], latest["revision"]) == (shown.id, shown.published_revision)
    (save,) = [one for one in client.get("/api/v1/saves").json()["saves"] if one["save"] == "withheld"]
    assert (save["newest"]["id"], save["newest"]["withheld"], save["latest"]["id"]) == (withheld.id, WHY, shown.id)


@pytest.mark.parametrize(
    "address",
    [
        "/tiles/{survey}/tilejson.json",
        "/tiles/{survey}/0/0/0.webp",
        "/api/v1/surveys/{survey}/thumbnail.webp",
        "/api/v1/surveys/{survey}/lineage?x=5&y=5",
        "/api/v1/surveys/{survey}/changes?since={before}",
    ],
)
def test_whoever_asks_for_the_map_reads_why_and_what_to_do(
    client: Any, surveys: tuple[Survey, Survey], address: str
) -> None:
    shown, withheld = surveys
    answer = client.get(address.format(survey=withheld.id, before=shown.id))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (409, "NOT_READY")
    assert f"is not published: {WHY}" in error["message"]
    assert "trust page" in error["message"]
    assert "IMAGEFLOW_PUBLISH_DESPITE_ERRORS" in error["message"]


def test_areas_blocks_and_screenshots_of_a_withheld_survey_are_there(
    client: Any, surveys: tuple[Survey, Survey]
) -> None:
    _, withheld = surveys
    assert client.get(f"/api/v1/surveys/{withheld.id}/areas").json()["placed"]
    assert client.get(f"/api/v1/surveys/{withheld.id}/blocks").json()["placed"]
    worst = client.get(f"/api/v1/surveys/{withheld.id}/trust").json()["worst"]
    assert client.get(worst[0]["seam"]["own"]).status_code == 200


def test_a_survey_that_is_published_after_all_is_withheld_no_more(client: Any, stores: Stores) -> None:
    survey = _withheld(stores, "published_after")
    make_overviews(stores, survey)
    told = client.get(f"/api/v1/surveys/{survey.id}").json()
    assert (told["withheld"], told["revision"]) == (None, survey.placed().revision)


def test_a_planned_survey_tells_what_it_has_and_needs_next(client: Any, stores: Stores) -> None:
    survey = plan_survey(stores, city("in_part"), Carrier.OPERATOR)
    reason = "Made so far: screenshots. Materialise pair_offsets next."
    with stores.database.begin() as connection:
        rows.set_state(connection, survey.id, SurveyState.PLANNED, reason)
    told = client.get(f"/api/v1/surveys/{survey.id}").json()
    assert (told["state"], told["reason"], told["finished_at"]) == ("planned", reason, None)
