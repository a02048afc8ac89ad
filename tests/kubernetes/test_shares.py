"""Large surveys on a real cluster: a pod for each share, which may be lost, and none that is left."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stack import Cli, environment, wait_for
from tests.kubernetes.conftest import tiles_of_one_machine
from tests.kubernetes.release import Release, processes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

LARGE = {"game_id": "city", "grid": {"rows": 13, "cols": 10}, "seed": 7}
STEPS = "app.kubernetes.io/component=step_worker"
RUNS = "app.kubernetes.io/component=run_worker"


def _of(run_id: str, component: str) -> str:
    return f"dagster/run-id={run_id},{component}"


def _running(release: Release, run_id: str) -> list[dict[str, Any]]:
    """Return the pods of a run's shares that work."""
    pods = release.items("pods", _of(run_id, STEPS))
    return [pod for pod in pods if pod["status"]["phase"] == "Running"]


def _share_of(release: Release, run_id: str) -> dict[str, Any]:
    return wait_for(
        lambda: next(iter(_running(release, run_id)), None),
        240,
        lambda: f"no share of {run_id} works: {release.kubectl('get', 'pods')}",
    )


def _no_pod_is_left(release: Release, run_id: str, within_s: float) -> None:
    def gone() -> bool | None:
        pods = release.items("pods", f"dagster/run-id={run_id}")
        return True if all(pod["status"]["phase"] in {"Succeeded", "Failed"} for pod in pods) else None

    wait_for(gone, within_s, lambda: release.kubectl("get", "pods"))


def _ends(release: Release, survey: str) -> list[str]:
    """Return how the runs of a survey ended, newest first."""
    return [run["status"] for run in release.get(f"/api/v1/surveys/{survey}/runs").json()["runs"]]


def test_each_share_of_a_large_survey_is_a_pod_and_its_tiles_are_those_of_one_machine(
    release: Release, tmp_path: Path
) -> None:
    job = release.post("/api/jobs", {**LARGE, "save_data_id": "large"})
    done = release.await_job(job["job_id"], within_s=900)
    jobs = release.items("jobs", _of(job["dag_run_id"], STEPS))
    stages = [each["metadata"]["labels"]["imageflow/stage"] for each in jobs]
    assert sorted(set(stages)) == ["capture", "coords", "tiles"]
    assert stages.count("capture") > 1
    (run,) = release.items("pods", _of(job["dag_run_id"], RUNS))
    assert "token" in str(run["spec"]["volumes"])
    for each in jobs:
        assert [owner["uid"] for owner in each["metadata"]["ownerReferences"]] == [run["metadata"]["uid"]]
        assert each["spec"]["ttlSecondsAfterFinished"] == 3600
        assert each["spec"]["template"]["spec"]["automountServiceAccountToken"] is False
    images = {each["spec"]["template"]["spec"]["containers"][0]["image"] for each in jobs}
    assert images == {release.images["imageflow"], release.images["capture-openttd"]}

    here = Cli(home=tmp_path / "home", env=environment(tmp_path / "home"))
    here.run("survey", "run", "--config", str(Path("games/city.yaml").resolve()), "--save", "large", "--grid", "13x10")
    expected = tiles_of_one_machine(tmp_path / "home", done["survey_id"])
    assert len(expected) == done["tiles_created"] > 100
    assert {path: release.get(path).content for path in expected} == expected


def test_a_share_whose_pod_is_deleted_is_done_again_by_the_same_run(release: Release) -> None:
    job = release.post("/api/jobs", {**LARGE, "save_data_id": "deleted"})
    pod = _share_of(release, job["dag_run_id"])
    release.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")
    done = release.await_job(job["job_id"], within_s=900)
    assert done["total_tasks"] == done["completed_tasks"]
    assert _ends(release, done["survey_id"]) == ["SUCCESS"]
    retried = release.retries(job["dag_run_id"])
    assert len(retried) == 1
    assert f"The pod '{pod['metadata']['name']}'" in retried[0]


def test_a_cancelled_run_leaves_no_pod_and_frees_its_slots(release: Release) -> None:
    job = release.post("/api/jobs", {**LARGE, "save_data_id": "cancelled"})
    _share_of(release, job["dag_run_id"])
    release.post(f"/api/jobs/{job['job_id']}/cancel", {})
    _no_pod_is_left(release, job["dag_run_id"], within_s=30)
    wait_for(lambda: True if not any(release.slots().values()) else None, 30, lambda: str(release.slots()))
    assert release.get(f"/api/jobs/{job['job_id']}/status").json()["status"] == "cancelled"


def test_the_shares_of_a_run_whose_worker_is_killed_are_ended_and_another_run_makes_the_survey_whole(
    release: Release,
) -> None:
    job = release.post("/api/jobs", {**LARGE, "save_data_id": "worker"})
    first = job["dag_run_id"]
    _share_of(release, first)
    (worker,) = processes("execute_run", first)
    worker.kill()
    _no_pod_is_left(release, first, within_s=120)
    done = release.await_job(job["job_id"], within_s=900)
    assert done["total_tasks"] == done["completed_tasks"]


def test_a_code_server_that_is_down_for_a_minute_fails_no_run(release: Release) -> None:
    job = release.post("/api/jobs", {**LARGE, "save_data_id": "code"})
    _share_of(release, job["dag_run_id"])
    code = f"deployment/{release.name}-code"
    release.kubectl("scale", code, "--replicas=0")
    time.sleep(60)
    release.kubectl("scale", code, "--replicas=1")
    done = release.await_job(job["job_id"], within_s=900)
    assert _ends(release, done["survey_id"]) == ["SUCCESS"]


def test_a_kubelet_that_is_restarted_costs_no_share(release: Release) -> None:
    job = release.post("/api/jobs", {**LARGE, "save_data_id": "kubelet"})
    _share_of(release, job["dag_run_id"])
    (kubelet,) = processes("--root-dir=", "kubelet.kubeconfig")
    kubelet.kill()
    done = release.await_job(job["job_id"], within_s=900)
    assert _ends(release, done["survey_id"]) == ["SUCCESS"]
    assert release.retries(job["dag_run_id"]) == []


def test_a_job_of_a_run_that_is_unknown_is_removed(release: Release) -> None:
    labels = {"app.kubernetes.io/instance": release.name, "app.kubernetes.io/name": "imageflow"}
    labels |= {"dagster/run-id": "00000000-0000-0000-0000-000000000000", "app.kubernetes.io/component": "step_worker"}
    release.sleep("lost", labels)
    wait_for(lambda: True if "lost" not in release.names("jobs") else None, 90, lambda: release.kubectl("get", "jobs"))
