"""Jobs, surveys, games, health and what every answer has in common."""

from dataclasses import replace
from typing import Any

import pytest

from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.errors import StoreUnavailable
from imageflow_domain.survey import Carrier, Survey, SurveyState
from imageflow_gateway.app import create_app
from imageflow_surveys import states

JOB = {"game_id": "city", "save_data_id": "asked"}


def _delayed(client: Any, **fields: object) -> Any:
    """Ask for a job while Dagster is down; return what the answer says of it."""
    answer = client.post("/api/jobs", json=JOB | fields)
    assert answer.status_code == 503, answer.text
    return answer.json()["error"]["details"]


def test_a_job_is_kept_while_dagster_is_down_and_its_answer_says_so(client: Any, stores: Stores) -> None:
    answer = client.post("/api/jobs", json=JOB | {"grid": {"rows": 2, "cols": 2}, "seed": 5})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    error = answer.json()["error"]
    job, survey_id = error["details"]["job_id"], error["details"]["survey_id"]
    assert (error["code"], error["details"]["status"]) == ("JOB_DELAYED", "preparing")
    assert f"GET /api/jobs/{job}/status" in error["message"]
    survey = states.read(stores, survey_id)
    assert (survey.carrier, survey.state) == (Carrier.SENSOR, SurveyState.PLANNED)
    assert (survey.grid.rows, survey.spec.driver.parameters["seed"]) == (2, 5)
    assert client.get(f"/api/jobs/{job}/status").json() == {
        "job_id": job,
        "status": "preparing",
        "progress": 0.0,
        "total_tasks": 6,
        "completed_tasks": 0,
        "tiles_created": 0,
        "dag_run_id": None,
        "survey_id": survey.id,
        "reason": None,
        "withheld": None,
    }


def test_the_same_request_under_one_idempotency_key_is_answered_with_one_job(client: Any) -> None:
    headers = {"idempotency-key": "one"}
    first = client.post("/api/jobs", json=JOB, headers=headers)
    again = client.post("/api/jobs", json=JOB, headers=headers)
    assert (first.status_code, again.status_code) == (503, 200)
    job = first.json()["error"]["details"]["job_id"]
    assert (again.json()["job_id"], again.json()["status"]) == (job, "preparing")
    assert again.headers["location"] == f"/api/jobs/{job}/status"
    other = client.post("/api/jobs", json=JOB | {"seed": 9}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "CONFLICT")
    assert f"job {job}" in other.json()["error"]["message"]
    assert client.post("/api/jobs", json=JOB, headers={"idempotency-key": "x" * 256}).status_code == 422


def test_a_job_is_cancelled_and_taken_up_again(client: Any, stores: Stores) -> None:
    job = _delayed(client, save_data_id="stopped")["job_id"]
    assert client.post(f"/api/jobs/{job}/retry").status_code == 409
    for _ in range(2):
        answer = client.post(f"/api/jobs/{job}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert client.get(f"/api/jobs/{job}/status").json()["reason"] == "Cancelled over the API."
    again = client.post(f"/api/jobs/{job}/retry")
    assert (again.status_code, again.json()["status"]) == (202, "preparing")
    answer = client.post(f"/api/jobs/{job}/retry")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")
    for action in ("cancel", "retry"):
        assert client.post(f"/api/jobs/999999/{action}").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "code", "names"),
    [
        (JOB | {"game_id": "nosuch"}, 404, "NOT_FOUND", "city"),
        (JOB | {"savegame": "autumn"}, 404, "NOT_FOUND", "spring"),
        (JOB | {"game_id": "broken"}, 400, "INVALID_INPUT", "broken.yaml"),
        (JOB | {"game_id": "../etc"}, 422, "VALIDATION_FAILED", "body.game_id"),
        (JOB | {"grid": {"rows": 0, "cols": 1}}, 422, "VALIDATION_FAILED", "body.grid.rows"),
        (JOB | {"grid": {"rows": 1001, "cols": 1}}, 422, "VALIDATION_FAILED", "body.grid.rows"),
        (JOB | {"command": "rm"}, 422, "VALIDATION_FAILED", "body.command"),
        ({}, 422, "VALIDATION_FAILED", "body.save_data_id"),
    ],
)
def test_a_wrong_job_is_refused_with_the_reason(
    client: Any, body: dict[str, Any], status: int, code: str, names: str
) -> None:
    answer = client.post("/api/jobs", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert names in answer.json()["error"]["message"]


def test_an_unknown_job_is_not_found(client: Any) -> None:
    assert client.get("/api/jobs/999999/status").status_code == 404
    assert client.get("/api/jobs/0/status").status_code == 422


def test_surveys_are_listed_newest_first_and_by_save(client: Any, survey: Survey) -> None:
    ids = [
        found["id"]
        for found in client.get("/api/v1/surveys", params={"game": "city", "save": "first"}).json()["surveys"]
    ]
    assert ids == [survey.id]
    created = [found["created_at"] for found in client.get("/api/v1/surveys").json()["surveys"]]
    assert created == sorted(created, reverse=True)
    assert client.get("/api/v1/surveys", params={"game": "another"}).json() == {"surveys": [], "next": None}


def test_a_survey_tells_state_counts_place_and_links(client: Any, survey: Survey) -> None:
    told = client.get(f"/api/v1/surveys/{survey.id}").json()
    mosaic = survey.published()
    assert (told["state"], told["revision"], told["progress"]) == ("completed", mosaic.revision, 83.3)
    assert told["counts"]["shots_taken"] == told["counts"]["shots_planned"] == 12
    assert [told["counts"][name] for name in ("areas_outside", "areas_holes", "shots_unsettled")] == [0, 0, 0]
    assert told["counts"]["tiles_cut"] > told["counts"]["native_tiles_planned"] > 0
    assert told["bounds"] == mosaic.bounds.model_dump()
    assert told["frame"]["side_px"] == 512 << told["frame"]["native_zoom"]
    for name in ("self", "map", "tilejson", "thumbnail"):
        assert client.get(told["links"][name]).status_code == 200


def test_the_thumbnail_is_answered_once_to_who_has_it(client: Any, survey: Survey) -> None:
    address = f"/api/v1/surveys/{survey.id}/thumbnail.webp"
    answer = client.get(address)
    assert (answer.headers["content-type"], answer.content[8:12]) == ("image/webp", b"WEBP")
    assert client.get(address, headers={"if-none-match": answer.headers["etag"]}).status_code == 304


def test_games_are_listed_and_a_broken_file_says_why(client: Any) -> None:
    games = {game["game_id"]: game for game in client.get("/api/v1/games").json()["games"]}
    assert (games["city"]["title"], games["city"]["savegames"]) == ("A small city", ["spring"])
    assert games["city"]["parameters"] == {"paused": True, "view": [640, 512], "drift_px": 8}
    assert games["broken"]["title"] is None
    assert "broken.yaml" in games["broken"]["problem"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nothing", 404, "NOT_FOUND"),
        ("GET", "/static/nothing.js", 404, "NOT_FOUND"),
        ("GET", "/static/../app.py", 404, "NOT_FOUND"),
        ("GET", "/static/%2e%2e/app.py", 404, "NOT_FOUND"),
        ("DELETE", "/api/jobs", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/api/v1/surveys/city-first-9999", 404, "NOT_FOUND"),
        ("GET", "/api/v1/surveys/Nonsense", 422, "VALIDATION_FAILED"),
    ],
)
def test_what_is_not_there_is_told_in_the_same_shape(
    client: Any, method: str, path: str, status: int, code: str
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_writes_from_elsewhere_are_refused_before_they_are_read(client: Any) -> None:
    for headers in ({"host": "evil.example"}, {"origin": "http://evil.example"}):
        answer = client.post("/api/jobs", json=JOB, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN")
        assert "access-control-allow-origin" not in answer.headers


def test_a_json_body_has_a_limit_of_its_own(client: Any) -> None:
    answer = client.post("/api/jobs", content=b'"' + b"x" * 1_000_001, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "TOO_LARGE")


def test_health_lives_and_works(client: Any, survey: Survey) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/health/ready").json() == {"status": "ok"}


class _DownStore:
    def check(self) -> None:
        raise StoreUnavailable("The bucket does not answer: start it.")


def test_readiness_names_the_store_that_is_down(settings: Settings, stores: Stores, ask: Any) -> None:
    broken = replace(stores, objects=_DownStore())  # type: ignore[arg-type]
    with ask(create_app(settings, broken)) as client:
        answer = client.get("/health/ready")
        assert answer.status_code == 503
        assert answer.json()["error"]["details"] == {
            "database": "ok",
            "store": "The bucket does not answer: start it.",
        }
        assert client.get("/health").status_code == 200


def test_openapi_lists_every_address_with_the_error_shape(client: Any) -> None:
    document = client.get("/openapi.json").json()
    assert {"/api/v1/jobs", "/api/v1/jobs/{job_id}/status", "/api/v1/surveys", "/tiles/{z}/{x}/{y}.{picture}"} <= set(
        document["paths"]
    )
    names = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["summary"], path
            assert operation["operationId"].isidentifier()
            shape = operation["responses"]["422"]["content"]["application/json"]["schema"]["$ref"]
            assert shape.endswith("/ErrorBody")


def test_the_log_has_one_line_a_request_without_its_query(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="imageflow_gateway"):
        answer = client.get("/api/v1/surveys?game=city&token=secret")
    lines = [record.__dict__["fields"] for record in caplog.records if record.name == "imageflow_gateway.edge"]
    assert len(lines) == 1
    assert lines[0]["request_id"] == answer.headers["x-request-id"]
    assert (lines[0]["path"], lines[0]["status"]) == ("/api/v1/surveys", 200)
    assert "secret" not in str(lines)


def test_a_job_is_planned_over_the_latest_map_and_not_begun(client: Any, survey: Survey) -> None:
    body = {"game_id": "city", "save_data_id": "first", "grid": {"rows": 3, "cols": 4}}
    before = client.get("/api/v1/surveys?game=city&save=first").json()
    planned = client.post("/api/jobs/plan", json=body).json()
    assert (planned["grid"], planned["areas"], planned["blocks"]) == ({"rows": 3, "cols": 4}, 12, 1)
    places = planned["places"]
    assert places["survey"] == survey.id
    (block,) = places["blocks"]
    bounds = survey.published().bounds
    reach = 2 * 8  # the city's camera drifts by 8 px on either axis
    assert abs(block["x_px"] - bounds.x_px) <= reach
    assert abs(block["y_px"] - bounds.y_px) <= reach
    assert abs(block["width_px"] - bounds.width_px) <= 2 * reach
    assert (len(places["columns"]), len(places["rows"])) == (4, 3)
    assert client.get("/api/v1/surveys?game=city&save=first").json() == before
    unmapped = client.post("/api/jobs/plan", json=body | {"save_data_id": "nowhere"}).json()
    assert (unmapped["areas"], unmapped["places"]) == (12, None)


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"game_id": "unheard"}, 404, "There is no game 'unheard'"),
        ({"parameters": {"command": ["rm"]}}, 400, "may not set command"),
        ({"parameters": {"world": [100, 100]}}, 400, "larger than the world"),
    ],
)
def test_what_cannot_be_surveyed_cannot_be_planned(
    client: Any, change: dict[str, Any], status: int, words: str
) -> None:
    answer = client.post("/api/jobs/plan", json={"game_id": "city", "save_data_id": "first"} | change)
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]
