"""The chart on an empty cluster: it gets ready, and does what one machine does."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stack import Cli, environment, wait_for
from tests.kubernetes.conftest import tiles_of_one_machine
from tests.kubernetes.release import Release, processes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

CITY = {"game_id": "city", "grid": {"rows": 6, "cols": 6}, "seed": 7}


def test_a_survey_by_the_api_is_one_job_and_has_the_same_tiles_as_on_one_machine(
    release: Release, tmp_path: Path
) -> None:
    job = release.post("/api/jobs", {**CITY, "save_data_id": "same"})
    done = release.await_job(job["job_id"])
    assert set(release.runs()) == {job["dag_run_id"]}

    here = Cli(home=tmp_path / "home", env=environment(tmp_path / "home"))
    here.run("survey", "run", "--config", str(Path("games/city.yaml").resolve()), "--save", "same", "--grid", "6x6")
    expected = tiles_of_one_machine(tmp_path / "home", done["survey_id"])
    assert len(expected) == done["tiles_created"] > 100
    assert {path: release.get(path).content for path in expected} == expected


def test_a_tile_comes_from_the_cache_the_second_time(release: Release) -> None:
    job = release.post("/api/jobs", {**CITY, "save_data_id": "cached", "grid": {"rows": 2, "cols": 2}})
    survey = release.await_job(job["job_id"])["survey_id"]
    template = release.get(f"/tiles/{survey}/tilejson.json").json()
    address = template["tiles"][0].removeprefix(release.url).format(z=template["maxzoom"] - 4, x=0, y=0)
    first, second = release.get(address), release.get(address)
    assert [answer.headers["x-cache-status"] for answer in (first, second)] == ["MISS", "HIT"]
    assert second.content == first.content
    assert second.headers["cache-control"] == "public, max-age=2592000, immutable"
    assert "x-cache-status" not in release.get(f"/api/v1/surveys/{survey}").headers


def test_a_run_whose_pod_is_killed_is_done_again_and_its_survey_is_whole(release: Release) -> None:
    job = release.post("/api/jobs", {**CITY, "save_data_id": "killed"})
    first = job["dag_run_id"]

    def pod_of_run() -> str | None:
        return next(iter(release.names("pods", f"dagster/run-id={first}")), None)

    pod = wait_for(pod_of_run, 120, lambda: "no pod of the run came")
    wait_for(
        lambda: True if release.get(f"/api/jobs/{job['job_id']}/status").json()["progress"] > 0 else None,
        120,
        lambda: "the run did not begin",
    )
    assert release.get(f"/api/jobs/{job['job_id']}/status").json()["status"] == "running"
    before = set(release.runs())
    release.kubectl("delete", "pod", pod, "--grace-period=0", "--force")
    done = release.await_job(job["job_id"])
    assert done["total_tasks"] == done["completed_tasks"]
    repeated = set(release.runs()) - before
    assert len(repeated) == 1
    found = release.get(f"/api/v1/surveys/{done['survey_id']}/runs").json()["runs"]
    assert {run["run_id"]: run["status"] for run in found} == {first: "FAILURE", repeated.pop(): "SUCCESS"}


def test_no_secret_lies_anywhere_but_in_secrets(release: Release) -> None:
    secrets = {
        base64.b64decode(value).decode()
        for secret in release.items("secrets")
        if secret["type"] == "Opaque"
        for name, value in secret["data"].items()
        if name != "AWS_ACCESS_KEY_ID"
    }
    assert len(secrets) >= 5
    for kind in ("configmaps", "deployments", "statefulsets", "jobs", "pods"):
        shown = release.kubectl("get", kind, "-o", "json")
        assert [secret for secret in secrets if secret in shown] == [], kind


def test_a_database_of_a_trial_that_is_killed_starts_again_over_its_volume(release: Release) -> None:
    pod = f"{release.name}-demo-postgres-0"

    def container() -> dict[str, Any]:
        (status,) = json.loads(release.kubectl("get", "pod", pod, "-o", "json"))["status"]["containerStatuses"]
        return dict(status)

    restarts = container()["restartCount"]
    (server,) = processes("postgres", "-D /data/pgdata")
    server.kill()
    wait_for(
        lambda: True if container()["ready"] and container()["restartCount"] == restarts + 1 else None,
        120,
        lambda: release.kubectl("logs", pod),
    )
    wait_for(
        lambda: True if release.get("/health/ready").is_success else None,
        60,
        lambda: release.get("/health/ready").text,
    )


def test_uninstalling_a_trial_leaves_its_volumes_says_so_and_it_finds_them_when_it_is_installed_again(
    release: Release,
) -> None:
    job = release.post("/api/jobs", {**CITY, "save_data_id": "stays", "grid": {"rows": 2, "cols": 2}})
    survey = release.await_job(job["job_id"])["survey_id"]
    volumes = {f"{release.name}-demo-postgres", f"{release.name}-demo-minio"}
    said = release.uninstall()
    assert "kept due to the resource policy" in said
    assert {volume for volume in volumes if volume in said} == volumes == set(release.names("pvc"))
    assert release.names("deployments") == release.names("statefulsets") == []
    release.install_again()
    assert release.get(f"/api/v1/surveys/{survey}").json()["state"] == "completed"
    again = release.post("/api/jobs", {**CITY, "save_data_id": "again", "grid": {"rows": 2, "cols": 2}})
    release.await_job(again["job_id"])
