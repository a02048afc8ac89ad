"""Jobs of Kubernetes and pods, found by label: what state they are in, and their removal."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from kubernetes.client import ApiException, BatchV1Api, CoreV1Api, V1Job, V1Pod
from urllib3.exceptions import HTTPError

from imageflow_assets.pod_ends import why_ended, why_waiting
from imageflow_domain.errors import Unavailable

RUN_LABEL = "dagster/run-id"
COMPONENT_LABEL = "app.kubernetes.io/component"
STEP_WORKER = "step_worker"
RUN_WORKER = "run_worker"

_OF_JOB = "batch.kubernetes.io/job-name"
_GONE = 404
_WAIT_S = 10
"""For an answer of the API server."""


@dataclass(frozen=True, kw_only=True)
class JobState:
    """A Job, as it is."""

    name: str
    run_id: str
    is_over: bool
    why_ended: str | None
    """What ended its pod, or is about to; `None` where nothing is wrong."""
    why_waiting: str | None
    """What keeps its pod from starting; `None` once it has started."""


class Jobs:
    """The Jobs of a namespace that bear some labels."""

    def __init__(self, batch: BatchV1Api, core: CoreV1Api, *, namespace: str, labels: Mapping[str, str]) -> None:
        self._batch = batch
        self._core = core
        self._namespace = namespace
        self._selector = _selector(labels)

    def states(self) -> Mapping[str, JobState]:
        """Return all Jobs by name. Raises `Unavailable` where the API server does not answer."""
        try:
            jobs = self._batch.list_namespaced_job(
                self._namespace, label_selector=self._selector, _request_timeout=_WAIT_S
            ).items
            pods = self._pods()
        except (ApiException, HTTPError) as error:
            raise Unavailable(f"Kubernetes does not list the Jobs of steps: {error}") from error
        of_job: dict[str, list[V1Pod]] = {}
        for pod in pods:
            of_job.setdefault(pod.metadata.labels.get(_OF_JOB, ""), []).append(pod)
        return {job.metadata.name: _state(job, of_job.get(job.metadata.name, [])) for job in jobs}

    def has_pods(self, names: Iterable[str]) -> bool:
        """Return whether pods of some Jobs are left, also where the Jobs are gone."""
        wanted = set(names)
        try:
            return any(pod.metadata.labels.get(_OF_JOB) in wanted for pod in self._pods())
        except (ApiException, HTTPError) as error:
            raise Unavailable(f"Kubernetes does not list the pods of steps: {error}") from error

    def delete(self, name: str) -> None:
        """Delete a Job and its pods, where it is there. Raises `Unavailable` where the API server does not do it."""
        with _deleting("Job", name):
            self._batch.delete_namespaced_job(
                name, self._namespace, propagation_policy="Background", _request_timeout=_WAIT_S
            )

    def _pods(self) -> list[V1Pod]:
        listed = self._core.list_namespaced_pod(
            self._namespace, label_selector=self._selector, _request_timeout=_WAIT_S
        )
        return list(listed.items)


@dataclass(frozen=True, kw_only=True)
class PodState:
    """A pod that no Job made."""

    name: str
    run_id: str


class BarePods:
    """The pods of a namespace that bear some labels and belong to no Job."""

    def __init__(self, core: CoreV1Api, *, namespace: str, labels: Mapping[str, str]) -> None:
        self._core = core
        self._namespace = namespace
        self._selector = _selector(labels)

    def states(self) -> list[PodState]:
        """Return all of them, also those that have ended. Raises `Unavailable` where the API server does not answer."""
        try:
            pods = self._core.list_namespaced_pod(
                self._namespace, label_selector=self._selector, _request_timeout=_WAIT_S
            ).items
        except (ApiException, HTTPError) as error:
            raise Unavailable(f"Kubernetes does not list the pods of components: {error}") from error
        return [PodState(name=pod.metadata.name, run_id=pod.metadata.labels.get(RUN_LABEL, "")) for pod in pods]

    def delete(self, name: str) -> None:
        """Delete a pod, where it is there. Raises `Unavailable` where the API server does not do it."""
        with _deleting("pod", name):
            self._core.delete_namespaced_pod(name, self._namespace, _request_timeout=_WAIT_S)


@contextmanager
def _deleting(kind: str, name: str) -> Iterator[None]:
    try:
        yield
    except ApiException as error:
        if error.status != _GONE:
            raise Unavailable(f"Kubernetes does not delete the {kind} '{name}': {error.reason}") from error
    except HTTPError as error:
        raise Unavailable(f"Kubernetes does not delete the {kind} '{name}': {error}") from error


def _selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in labels.items())


def _state(job: V1Job, pods: list[V1Pod]) -> JobState:
    waits = [why_waiting(pod) for pod in pods] or ["It has no pod yet."]
    return JobState(
        name=job.metadata.name,
        run_id=job.metadata.labels.get(RUN_LABEL, ""),
        is_over=bool(job.status.succeeded or job.status.failed),
        why_ended=next((why for pod in pods if (why := why_ended(pod)) is not None), None),
        why_waiting=None if None in waits else waits[0],
    )
