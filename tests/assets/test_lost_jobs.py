"""Jobs that are at work for no run, and what is said of the ends of pods."""

from datetime import UTC, datetime
from typing import Any

import pytest
from kubernetes import client

from imageflow_assets.k8s_jobs import BarePods, JobState, PodState
from imageflow_assets.lost_jobs import LEAVE_S, lost_of
from imageflow_assets.pod_ends import why_ended, why_waiting
from imageflow_domain.errors import Unavailable


def _state(name: str, run_id: str) -> JobState:
    return JobState(name=name, run_id=run_id, is_over=False, why_ended=None, why_waiting=None)


def test_jobs_of_runs_that_have_ended_or_were_deleted_are_lost() -> None:
    at_work = [_state(run, run) for run in ("goes_on", "just_ended", "ended", "deleted")]
    ended_s = {"goes_on": 0.0, "just_ended": LEAVE_S - 1, "ended": LEAVE_S}
    assert [state.name for state in lost_of(at_work, ended_s)] == ["ended", "deleted"]


def test_pods_of_components_are_lost_with_their_run() -> None:
    pods = [PodState(name=run, run_id=run) for run in ("goes_on", "ended")]
    assert [pod.name for pod in lost_of(pods, {"goes_on": 0.0, "ended": LEAVE_S})] == ["ended"]


class _Core:
    """Stands in for `CoreV1Api`."""

    def __init__(self) -> None:
        self.selector = ""

    def list_namespaced_pod(self, namespace: str, *, label_selector: str, **_: object) -> client.V1PodList:
        self.selector = label_selector
        metadata = client.V1ObjectMeta(name="component-focus-1", labels={"dagster/run-id": "run-1"})
        return client.V1PodList(items=[client.V1Pod(metadata=metadata)])

    def delete_namespaced_pod(self, name: str, namespace: str, **_: object) -> None:
        raise client.ApiException(status=404 if name == "gone" else 403, reason="Forbidden")


def test_pods_are_found_by_their_labels_and_one_that_is_gone_is_deleted() -> None:
    core = _Core()
    pods = BarePods(core, namespace="trial", labels={"app.kubernetes.io/name": "imageflow-component", "a": "b"})
    assert pods.states() == [PodState(name="component-focus-1", run_id="run-1")]
    assert core.selector == "app.kubernetes.io/name=imageflow-component,a=b"
    pods.delete("gone")
    with pytest.raises(Unavailable, match="does not delete the pod 'other': Forbidden"):
        pods.delete("other")


def _pod(state: client.V1ContainerState | None = None, *, deleted: bool = False, **status: Any) -> client.V1Pod:
    containers = [
        client.V1ContainerStatus(name="d", image="i", image_id="i", ready=False, restart_count=0, state=state)
    ]
    return client.V1Pod(
        metadata=client.V1ObjectMeta(name="pod-1", deletion_timestamp=datetime.now(UTC) if deleted else None),
        status=client.V1PodStatus(container_statuses=containers if state else None, **status),
    )


def _terminated(code: int, reason: str) -> client.V1ContainerState:
    return client.V1ContainerState(terminated=client.V1ContainerStateTerminated(exit_code=code, reason=reason))


def _condition(kind: str, status: str, reason: str, message: str) -> client.V1PodCondition:
    return client.V1PodCondition(type=kind, status=status, reason=reason, message=message)


RUNNING = client.V1ContainerState(running=client.V1ContainerStateRunning())
WAITING = client.V1ContainerState(waiting=client.V1ContainerStateWaiting(reason="ErrImagePull", message="not found"))
DRAINED = _condition("DisruptionTarget", "True", "EvictionByEvictionAPI", "Eviction API: evicting")


@pytest.mark.parametrize(
    ("pod", "said"),
    [
        (_pod(_terminated(137, "OOMKilled")), "for want of memory (OOMKilled): raise the memory limit"),
        (_pod(reason="Evicted", message="The node was low on memory."), "(Evicted). The node was low on memory."),
        (_pod(RUNNING, deleted=True, conditions=[DRAINED]), "(EvictionByEvictionAPI). Eviction API: evicting"),
        (_pod(RUNNING, deleted=True), "was deleted."),
        (_pod(_terminated(3, "Error")), "ended with exit code 3: `kubectl logs pod-1` says why."),
    ],
)
def test_the_end_of_a_pod_is_said_with_its_cause(pod: client.V1Pod, said: str) -> None:
    assert said in str(why_ended(pod))


def test_nothing_is_said_of_a_pod_that_works_or_is_done() -> None:
    assert why_ended(_pod(RUNNING)) is None
    assert why_ended(_pod(_terminated(0, "Completed"))) is None


def test_a_pod_that_waits_says_for_what() -> None:
    unscheduled = _condition("PodScheduled", "False", "Unschedulable", "0/3 nodes are available: 3 Insufficient cpu.")
    assert why_waiting(_pod(conditions=[unscheduled])) == "0/3 nodes are available: 3 Insufficient cpu."
    assert why_waiting(_pod(WAITING)) == "ErrImagePull: not found"
    assert why_waiting(_pod()) == "Its node has not begun it."
    assert why_waiting(_pod(RUNNING)) is None
