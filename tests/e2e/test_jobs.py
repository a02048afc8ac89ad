"""Jobs in a running stack: launched by the API itself, cancelled at each stage and taken up again, two at once."""

import os
import signal
from typing import Any

import httpx
import pytest

from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.settings import Settings
from imageflow_clients.stores import open_stores
from imageflow_domain.survey import Layer, SurveyState
from tests.e2e.stack import HTTP, Stack, wait_for

pytestmark = pytest.mark.e2e

_RUNS = """
query($filter: RunsFilter!) {
  runsOrError(filter: $filter) { ... on Runs { results { runId status tags { key value } } } }
}"""
_ALIVE = {"QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"}


def _begin(stack: Stack, save: str, **more: Any) -> httpx.Response:
    body = {"game_id": "small_city", "save_data_id": save} | more
    return HTTP.post(f"{stack.gateway}/api/jobs", json=body, timeout=60)


def _status(stack: Stack, job: int) -> dict[str, Any]:
    status: dict[str, Any] = HTTP.get(f"{stack.gateway}/api/jobs/{job}/status", timeout=30).json()
    return status


def _runs(stack: Stack, survey: str) -> list[dict[str, Any]]:
    found = stack.graphql(_RUNS, filter={"tags": [{"key": "dagster/partition", "value": survey}]})
    runs: list[dict[str, Any]] = found["runsOrError"]["results"]
    return runs


def _completed(stack: Stack, job: int) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        status = _status(stack, job)
        assert status["status"] in {"preparing", "running", "completed"}, status
        return status if status["status"] == "completed" else None

    return wait_for(look, 240, lambda: str(_status(stack, job)))


def test_a_job_s_run_is_launched_at_once_bears_its_number_and_makes_a_map(stack: Stack) -> None:
    answer = _begin(stack, "launched")
    assert answer.status_code == 202, answer.text
    begun = answer.json()
    runs = _runs(stack, begun["survey_id"])
    assert [run["runId"] for run in runs] == [begun["dag_run_id"]]
    done = _completed(stack, begun["job_id"])
    assert done["dag_run_id"] == begun["dag_run_id"]
    assert done["progress"] == 100.0
    assert done["completed_tasks"] == done["total_tasks"]
    assert done["tiles_created"] > 0
    runs = _runs(stack, begun["survey_id"])
    assert [run["status"] for run in runs] == ["SUCCESS"], "none was requested twice"
    tags = [{tag["key"]: tag["value"] for tag in run["tags"]} for run in runs]
    assert {run["imageflow/job"] for run in tags} == {str(begun["job_id"])}


def test_two_first_jobs_of_one_save_at_once_share_one_frame(stack: Stack) -> None:
    jobs = [_begin(stack, "both").json() for _ in range(2)]
    frames = []
    for job in jobs:
        _completed(stack, job["job_id"])
        facts = HTTP.get(f"{stack.gateway}/api/v1/surveys/{job['survey_id']}", timeout=30).json()
        frames.append(facts["frame"])
    assert frames[0] == frames[1]
    assert frames[0]["number"] == 1


@pytest.mark.timeout(420)
def test_a_job_is_cancelled_at_each_stage_and_goes_on_where_it_stopped(stack: Stack) -> None:
    begun = _begin(stack, "each_stage", game_id="slow_city", grid={"rows": 4, "cols": 4}).json()
    job, survey = begun["job_id"], begun["survey_id"]
    for layer in (Layer.SCREENSHOTS, Layer.COORDINATES, Layer.TILES, Layer.OVERVIEWS):
        wait_for(lambda at=layer: _is_at(stack, job, at), 120, lambda: str(_runs(stack, survey)), every_s=0.05)
        answer = HTTP.post(f"{stack.gateway}/api/jobs/{job}/cancel", timeout=60)
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        wait_for(lambda: _none_alive(stack, survey), 60, lambda: str(_runs(stack, survey)), every_s=1.5)
        stopped = _status(stack, job)
        assert stopped["status"] == "cancelled"
        assert HTTP.post(f"{stack.gateway}/api/jobs/{job}/retry", timeout=60).status_code == 202
        assert _status(stack, job)["completed_tasks"] >= stopped["completed_tasks"], "nothing that was made is lost"
    done = _completed(stack, job)
    assert done["completed_tasks"] == done["total_tasks"]
    again = HTTP.post(f"{stack.gateway}/api/jobs/{job}/retry", timeout=60)
    assert again.status_code == 409
    assert "nothing of it is missing" in again.json()["error"]["message"]


def test_the_sensor_stops_the_runs_of_a_survey_that_was_cancelled_without_dagster(stack: Stack) -> None:
    begun = _begin(stack, "stopped", game_id="slow_city").json()
    wait_for(lambda: _is_at_work(stack, begun["dag_run_id"]), 90, lambda: str(_runs(stack, begun["survey_id"])))
    with open_stores(Settings(home=stack.cli.home)).database as database, database.begin() as connection:
        rows.set_state(connection, begun["survey_id"], SurveyState.CANCELLED, "Cancelled while Dagster was down.")
    wait_for(lambda: _none_alive(stack, begun["survey_id"]), 60, lambda: str(_runs(stack, begun["survey_id"])))
    (run,) = _runs(stack, begun["survey_id"])
    # where its next step comes before the sensor, that is refused
    refused = run["status"] == "FAILURE" and "imageflow/refused" in {tag["key"] for tag in run["tags"]}
    assert refused or run["status"] == "CANCELED", run
    assert _status(stack, begun["job_id"])["status"] == "cancelled"


def _is_at_work(stack: Stack, run_id: str) -> bool | None:
    found = stack.graphql(_RUNS, filter={"runIds": [run_id], "statuses": ["STARTED"]})["runsOrError"]["results"]
    return True if found else None


def _is_at(stack: Stack, job: int, layer: Layer) -> bool | None:
    """Whether a run works on a job's survey, all layers before this one being whole."""
    status = _status(stack, job)
    before = list(Layer).index(layer)
    return True if status["status"] == "running" and status["completed_tasks"] >= before else None


def _none_alive(stack: Stack, survey: str) -> bool | None:
    return True if not any(run["status"] in _ALIVE for run in _runs(stack, survey)) else None


@pytest.mark.timeout(420)
def test_a_job_that_came_while_dagster_was_down_begins_by_itself(stack: Stack) -> None:
    for webserver in stack.processes("dagster_webserver"):
        os.kill(webserver, signal.SIGKILL)
    answer = HTTP.post(
        f"{stack.gateway}/api/jobs",
        json={"game_id": "small_city", "save_data_id": "down"},
        headers={"idempotency-key": "while Dagster was down"},
        timeout=60,
    )
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) > 0
    details = answer.json()["error"]["details"]
    assert details["status"] == _status(stack, details["job_id"])["status"] == "preparing"
    done = _completed(stack, details["job_id"])
    assert [done["dag_run_id"]] == [run["runId"] for run in _runs(stack, done["survey_id"])]
