"""Runs whose shares are Jobs end as those of one machine do, however they are ended. Kubernetes has a stand-in."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_resources.storage import load_instance
from tests.assets.local_pods import on_pods
from tests.assets.shares import POOL, SHARES
from tests.assets.workers import Worker, until
from tests.surveys.cities import city, planned

LARGE = "13x10"
SLOTS = 2
START_TIMEOUT_S = 4
_BEGIN_S = 240
"""Until shares work, on a busy machine: each of their processes loads the definitions."""
STAGE = {
    "image": "imageflow-shares:1",
    "resources": {"requests": {"cpu": "2"}, "limits": {"memory": "8Gi", "nvidia.com/gpu": 1}},
    "nodeSelector": {"pool": "shares"},
    "tolerations": [{"key": "games", "operator": "Exists"}],
}
LAUNCHED = RemoteJobOrigin(
    RemoteRepositoryOrigin(GrpcServerCodeLocationOrigin("localhost", port=1, location_name="imageflow"), "repo"),
    "survey",
)

Start = Callable[..., Worker]


@pytest.fixture
def instance(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    assert settings.database_url is not None
    monkeypatch.setenv("IMAGEFLOW_HOME", str(settings.home))
    monkeypatch.setenv("IMAGEFLOW_DATABASE_URL", settings.database_url.get_secret_value())
    with load_instance(settings) as loaded, on_pods(loaded, tmp_path, {POOL: STAGE}, START_TIMEOUT_S) as podded:
        podded.event_log_storage.set_concurrency_slots(POOL, SLOTS)
        yield podded
        podded.event_log_storage.delete_concurrency_limit(POOL)


@pytest.fixture
def start(instance: dg.DagsterInstance, stores: Stores, tmp_path: Path) -> Iterator[Start]:
    workers: list[Worker] = []

    def begin(*, waits: str = "0.3 0.3", tags: dict[str, str] | None = None) -> Worker:
        survey = planned(stores, city(f"pods_{len(list(instance.get_runs()))}", grid=LARGE))
        workers.append(Worker(instance, tmp_path, survey, waits, origin=LAUNCHED, tags=tags))
        return workers[-1]

    yield begin
    for worker in workers:
        worker.process.kill()
        worker.process.wait()


def _jobs(worker: Worker) -> list[dict[str, Any]]:
    """Return the Jobs that were made, each a line that is whole."""
    lines = (worker.folder / "jobs").read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _pod(job: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = job["spec"]["template"]["spec"]
    return spec


def _pools(instance: dg.DagsterInstance) -> tuple[int, int]:
    info = instance.event_log_storage.get_concurrency_info(POOL)
    return info.active_slot_count, info.pending_step_count


def _retried_for(instance: dg.DagsterInstance, worker: Worker) -> list[str]:
    events = [
        entry.dagster_event for entry in instance.all_logs(worker.run_id, of_type=dg.DagsterEventType.STEP_UP_FOR_RETRY)
    ]
    return [event.step_retry_data.error.message for event in events if event and event.step_retry_data.error]


def test_each_share_is_a_job_with_the_needs_of_its_stage_and_nothing_else_is(
    instance: dg.DagsterInstance, start: Start
) -> None:
    worker = start()
    assert worker.process.wait() == 0
    assert worker.run.status is dg.DagsterRunStatus.SUCCESS
    assert _retried_for(instance, worker) == []
    jobs = _jobs(worker)
    assert len({job["metadata"]["name"] for job in jobs}) == len(jobs) == SHARES
    assert {worker.begun(number)[0] for number in range(SHARES)}.isdisjoint({worker.process.pid})
    for job in jobs:
        labels = job["metadata"]["labels"]
        assert labels == job["spec"]["template"]["metadata"]["labels"]
        assert labels["imageflow/stage"] == POOL
        assert labels["dagster/run-id"] == worker.run_id
        assert labels["app.kubernetes.io/component"] == "step_worker"
        assert labels["app.kubernetes.io/instance"] == "trial"
        assert job["spec"]["ttlSecondsAfterFinished"] == 60
        assert job["spec"]["backoffLimit"] == 0
        pod = _pod(job)
        assert pod["automountServiceAccountToken"] is False
        assert pod["nodeSelector"] == {"pool": "shares"}
        assert pod["tolerations"] == [{"key": "games", "operator": "Exists"}]
        assert pod["containers"][0]["image"] == "imageflow-shares:1"
        assert pod["containers"][0]["resources"] == {
            "requests": {"cpu": "2"},
            "limits": {"memory": "8Gi", "nvidia.com/gpu": "1"},
        }
    assert _pools(instance) == (0, 0)


def test_the_run_s_own_tag_takes_precedence_over_the_stage(instance: dg.DagsterInstance, start: Start) -> None:
    given = {
        "container_config": {"image": "mine:2", "resources": {"limits": {"memory": "1Gi"}}},
        "pod_spec_config": {"node_selector": {"pool": "mine"}},
    }
    worker = start(tags={"dagster-k8s/config": json.dumps(given)})
    assert worker.process.wait() == 0
    pod = _pod(_jobs(worker)[0])
    assert pod["containers"][0]["image"] == "mine:2"
    assert pod["containers"][0]["resources"]["limits"] == {"memory": "1Gi", "nvidia.com/gpu": "1"}
    assert pod["nodeSelector"] == {"pool": "mine"}


@pytest.mark.parametrize(
    ("killed", "said"), [("oom", "OOMKilled): raise the memory limit"), ("killed", "ended with exit code 137")]
)
def test_a_pod_that_is_killed_costs_one_more_attempt_of_its_step(
    killed: str, said: str, instance: dg.DagsterInstance, start: Start, tmp_path: Path
) -> None:
    (tmp_path / killed).touch()
    (tmp_path / "slow").touch()
    worker = start()
    until(lambda: worker.begun(0) and worker.begun(1), _BEGIN_S)
    os.kill(worker.begun(0)[0], signal.SIGKILL)
    (tmp_path / "slow").unlink()
    assert worker.process.wait() == 0
    assert worker.run.status is dg.DagsterRunStatus.SUCCESS
    assert [len(worker.begun(number)) for number in range(SHARES)] == [2, *[1] * (SHARES - 1)]
    (why,) = _retried_for(instance, worker)
    assert said in why
    assert _pools(instance) == (0, 0)


def test_what_may_pass_is_tried_again_in_another_pod(
    instance: dg.DagsterInstance, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "down-3").touch()
    worker = start(waits="0.1 0.1 0.1")
    until(lambda: len(worker.begun(3)) == 2, _BEGIN_S)
    (tmp_path / "down-3").unlink()
    assert worker.process.wait() == 0
    assert worker.run.status is dg.DagsterRunStatus.SUCCESS
    assert len(_jobs(worker)) == sum(len(worker.begun(number)) for number in range(SHARES))


def test_jobs_that_kubernetes_refuses_are_asked_for_again(
    instance: dg.DagsterInstance, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "refuses").touch()
    worker = start(waits="2 2 2")
    until(lambda: _retried_for(instance, worker), _BEGIN_S)
    (tmp_path / "refuses").unlink()
    assert worker.process.wait() == 0
    assert worker.run.status is dg.DagsterRunStatus.SUCCESS
    assert "Kubernetes did not take the step's Job" in _retried_for(instance, worker)[0]
    assert "exceeded quota" in _retried_for(instance, worker)[0]


def test_a_pod_that_does_not_start_in_time_is_tried_again_with_what_kept_it(
    instance: dg.DagsterInstance, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "stuck").touch()
    worker = start()
    until(lambda: (tmp_path / "jobs").exists() and len(_jobs(worker)) == SLOTS, _BEGIN_S)
    (tmp_path / "stuck").unlink()
    assert worker.process.wait() == 0
    assert worker.run.status is dg.DagsterRunStatus.SUCCESS
    why = _retried_for(instance, worker)
    assert len(why) == SLOTS
    assert why[0] == "The step's pod did not start within 4 s. ImagePullBackOff: no such image"


def test_a_share_that_is_wrong_fails_the_run_at_once_and_the_others_are_done(start: Start, tmp_path: Path) -> None:
    (tmp_path / "wrong-1").touch()
    worker = start()
    assert worker.process.wait() == 0
    assert worker.run.status is dg.DagsterRunStatus.FAILURE
    assert len(worker.begun(1)) == 1
    assert len(list(tmp_path.glob("done-*"))) == SHARES - 1


def test_a_cancelled_run_ends_within_two_seconds_as_cancelled_and_its_jobs_are_deleted(
    instance: dg.DagsterInstance, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "slow").touch()
    worker = start()
    until(lambda: worker.begun(0) and worker.begun(1), _BEGIN_S)
    cancelled = time.monotonic()
    worker.cancel()
    until(lambda: worker.run.status is not dg.DagsterRunStatus.CANCELING)
    assert time.monotonic() - cancelled < 2.5
    assert worker.run.status is dg.DagsterRunStatus.CANCELED
    assert _pools(instance) == (0, 0)
    until(lambda: not any(Path("/proc", str(worker.begun(number)[0])).exists() for number in (0, 1)), timeout_s=5)
