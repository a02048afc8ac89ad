"""Kubernetes without a cluster: its API as far as runs use it, where each Job is a process of this machine."""

import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import dagster as dg
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._serdes import ConfigurableClassData
from kubernetes import client
from typing_extensions import override

from imageflow_assets.run_pods import RunPods
from tests.assets.shares import folder
from tests.assets.workers import Forked, call_dagster

_OF_JOB = "batch.kubernetes.io/job-name"
_KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "here", "cluster": {"server": "http://127.0.0.1:1"}}],
    "users": [{"name": "nobody", "user": {}}],
    "contexts": [{"name": "here", "context": {"cluster": "here", "user": "nobody"}}],
    "current-context": "here",
}


@dataclass(kw_only=True)
class _Job:
    body: client.V1Job
    process: Forked | None
    is_deleted: bool = False


class LocalCluster:
    """Stands in for `BatchV1Api` and `CoreV1Api`. Files of the tests' folder change what it does.

    `refuses`: no Job is taken. `stuck`: a pod does not start. `oom`: what is killed, is killed for want of memory.
    """

    def __init__(self) -> None:
        self._jobs: dict[str, _Job] = {}

    def create_namespaced_job(self, body: client.V1Job, namespace: str, **_: object) -> None:
        if (folder() / "refuses").exists():
            raise client.ApiException(status=403, reason="exceeded quota")
        container = body.spec.template.spec.containers[0]
        environment = {each.name: each.value for each in container.env}
        is_stuck = (folder() / "stuck").exists()
        process = None if is_stuck else call_dagster(container.args[1:], environment)
        self._jobs[body.metadata.name] = _Job(body=body, process=process)
        with (folder() / "jobs").open("a") as file:
            file.write(json.dumps(client.ApiClient().sanitize_for_serialization(body)) + "\n")

    def delete_namespaced_job(self, name: str, namespace: str, **_: object) -> None:
        job = self._jobs.get(name)
        if job is None:
            raise client.ApiException(status=404, reason="Not Found")
        job.is_deleted = True
        if job.process is not None:
            job.process.send_signal(signal.SIGTERM)

    def list_namespaced_job(self, namespace: str, *, label_selector: str, **_: object) -> client.V1JobList:
        return client.V1JobList(items=[self._seen(job) for job in self._chosen(label_selector) if not job.is_deleted])

    def list_namespaced_pod(self, namespace: str, *, label_selector: str, **_: object) -> client.V1PodList:
        jobs = self._chosen(label_selector)
        there = [job for job in jobs if not (job.is_deleted and (job.process is None or _code(job) is not None))]
        return client.V1PodList(items=[self._pod(job) for job in there])

    def read_namespaced_pod(self, name: str, namespace: str, **_: object) -> client.V1Pod:
        container = client.V1Container(name="dagster", image="imageflow:of-this-run")
        metadata = client.V1ObjectMeta(name=name, namespace=namespace, uid="uid-1")
        return client.V1Pod(metadata=metadata, spec=client.V1PodSpec(containers=[container]))

    def _chosen(self, label_selector: str) -> list[_Job]:
        wanted = dict(part.split("=") for part in label_selector.split(","))
        return [job for job in self._jobs.values() if wanted.items() <= job.body.metadata.labels.items()]

    def _seen(self, job: _Job) -> client.V1Job:
        code = _code(job)
        status = client.V1JobStatus(
            active=int(code is None), succeeded=int(code == 0), failed=int(code is not None and code != 0)
        )
        return client.V1Job(metadata=job.body.metadata, status=status)

    def _pod(self, job: _Job) -> client.V1Pod:
        name = job.body.metadata.name
        labels = {**job.body.spec.template.metadata.labels, _OF_JOB: name}
        deleted = datetime.now(UTC) if job.is_deleted else None
        container = client.V1ContainerStatus(
            name="dagster", image="any", image_id="any", ready=False, restart_count=0, state=_state_of(job)
        )
        return client.V1Pod(
            metadata=client.V1ObjectMeta(name=f"{name}-pod", labels=labels, deletion_timestamp=deleted),
            status=client.V1PodStatus(container_statuses=[container]),
        )


def _code(job: _Job) -> int | None:
    return None if job.process is None else job.process.exit_code


def _state_of(job: _Job) -> client.V1ContainerState:
    if job.process is None:
        waiting = client.V1ContainerStateWaiting(reason="ImagePullBackOff", message="no such image")
        return client.V1ContainerState(waiting=waiting)
    code = job.process.exit_code
    if code is None:
        return client.V1ContainerState(running=client.V1ContainerStateRunning())
    is_oom = code < 0 and (folder() / "oom").exists()
    ended = client.V1ContainerStateTerminated(
        exit_code=code if code >= 0 else 128 - code, reason="OOMKilled" if is_oom else "Error"
    )
    return client.V1ContainerState(terminated=ended)


class LocalPods(RunPods):
    """The launcher of ImageFlow, on such a cluster."""

    @classmethod
    @override
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        cluster = LocalCluster()
        return cls(inst_data=inst_data, k8s_client_batch_api=cluster, k8s_client_core_api=cluster, **dict(config_value))


def on_pods(
    instance: dg.DagsterInstance,
    folder: Path,
    stages: Mapping[str, Any],
    start_timeout_s: int,
    components: Mapping[str, Any] | None = None,
) -> dg.DagsterInstance:
    """Return the same instance with a launcher that makes pods."""
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(_KUBECONFIG))
    launcher = {
        "service_account_name": "trial-run",
        "instance_config_map": "trial-dagster",
        "job_image": "imageflow:1",
        "dagster_home": os.environ.get("DAGSTER_HOME", str(folder)),
        "load_incluster_config": False,
        "kubeconfig_file": str(kubeconfig),
        "labels": {"app.kubernetes.io/instance": "trial"},
        "run_k8s_config": {
            "job_spec_config": {"ttl_seconds_after_finished": 60, "backoff_limit": 0},
            "container_config": {"resources": {"limits": {"memory": "4Gi"}}},
        },
        "stages": dict(stages),
        **({"components": dict(components)} if components else {}),
    }
    reference = instance.get_ref()
    settings = {**reference.settings, "run_monitoring": {"enabled": True, "start_timeout_seconds": start_timeout_s}}
    return dg.DagsterInstance.from_ref(
        InstanceRef(
            **{
                **reference._asdict(),
                "settings": settings,
                "run_launcher_data": ConfigurableClassData(__name__, LocalPods.__name__, yaml.safe_dump(launcher)),
            }
        )
    )
