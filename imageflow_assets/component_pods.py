"""What pods of components need beyond their manifests: the chart's `components`."""

from collections.abc import Mapping, Sequence
from typing import Any

from kubernetes.client import V1Pod
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from imageflow_assets.k8s_jobs import COMPONENT_LABEL
from imageflow_clients.containers.pod_spec import PodRules

_NAME_LABEL = "app.kubernetes.io/name"
_API_SERVER = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")
"""The variables that Kubernetes gives to every container."""


class ComponentNeeds(BaseModel):
    """Where pods of components may be, how many of them, and what is asked of the cluster's network."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    service_account: str
    """Of the runs that make these pods."""
    require_network_policies: bool = True
    pods_of_run: int = Field(default=4, ge=1)
    cpu_request_percent: int = Field(default=50, ge=1, le=100)
    deadline_seconds: int = Field(default=21_600, ge=60)
    start_timeout_seconds: int = Field(default=1800, ge=1)
    node_selector: Mapping[str, str] = Field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()

    def rules(
        self, *, namespace: str, labels: Mapping[str, str], image: str, pull_policy: str, pull_secrets: Sequence[str]
    ) -> PodRules:
        """Return them as what makes pods has them.

        Args:
            namespace: Of the run's pod.
            labels: Of the pods.
            image: ImageFlow's own, of the run's pod.
            pull_policy: Of every image.
            pull_secrets: Secrets of registries.
        """
        return PodRules(
            namespace=namespace,
            labels=labels,
            exchange_image=image,
            pull_policy=pull_policy,
            pull_secrets=tuple(pull_secrets),
            node_selector=self.node_selector,
            tolerations=self.tolerations,
            cpu_request_percent=self.cpu_request_percent,
            start_s=self.start_timeout_seconds,
            deadline_s=self.deadline_seconds,
            most=self.pods_of_run,
        )

    def api_server(self, environment: Mapping[str, str]) -> tuple[str, int] | None:
        """Return host and port that no pod of a component may reach; `None` where that is not checked."""
        if not self.require_network_policies:
            return None
        host, port = (environment[name] for name in _API_SERVER)
        return host, int(port)


def component_labels(of_all: Mapping[str, str]) -> dict[str, str]:
    """Return the labels of pods of components.

    Their name is another one than that of all pods of the installation: network policies of those let traffic through.
    """
    return {**of_all, _NAME_LABEL: "imageflow-component", COMPONENT_LABEL: "component"}


def own_reference(pod: V1Pod) -> dict[str, Any]:
    """Return the reference by which what a pod makes goes with it."""
    return {"apiVersion": "v1", "kind": "Pod", "name": pod.metadata.name, "uid": pod.metadata.uid}
