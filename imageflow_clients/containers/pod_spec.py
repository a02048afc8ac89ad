"""The pod of a component: two containers over one folder, without network, rights or a token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from imageflow_clients.containers.exchange_folder import INSIDE
from imageflow_domain.containers import ContainerImage

COMPONENT = "component"
EXCHANGE = "exchange"
"""The container beside the component, of ImageFlow's own image, in which files are moved."""
SERVE = ("python", "-m", "imageflow_clients.containers.exchange_server", INSIDE)

_NOBODY = 65534
_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
_FOLDERS = {"in": "512Mi", "out": "640Mi"}
"""Their sizes, above which the node evicts the pod; a component that writes too much is ended before."""
_TMP = {"medium": "Memory", "sizeLimit": "64Mi"}


@dataclass(frozen=True, kw_only=True)
class PodRules:
    """What all pods of components have in one installation."""

    namespace: str
    labels: Mapping[str, str]
    exchange_image: str
    """ImageFlow's own."""
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, Any]] = ()
    cpu_request_percent: int = 50
    """Of a component's cores."""
    start_s: float = 1800
    """From its making until its containers work: a node may have to be added, and an image to be fetched."""
    deadline_s: int = 21_600
    """Kubernetes ends a pod of this age, also where its run has not ended."""
    most: int = 4
    """Pods that work at once for one run."""


def component_pod(image: ContainerImage, rules: PodRules, owner: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest of a pod for a component.

    Args:
        image: The component's.
        rules: Those of the installation.
        owner: A reference to the pod that makes it, with which it goes.
    """
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"component-{_slug(image.component)}-{uuid4().hex[:12]}",
            "namespace": rules.namespace,
            "labels": dict(rules.labels),
            "annotations": {
                "imageflow/component": image.component,
                "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
            },
            "ownerReferences": [dict(owner)],
        },
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": rules.deadline_s,
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "dnsPolicy": "None",
            "dnsConfig": {"nameservers": ["127.0.0.1"]},  # a look-up fails at once
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _NOBODY,
                "runAsGroup": _NOBODY,
                "fsGroup": _NOBODY,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "imagePullSecrets": [{"name": name} for name in rules.pull_secrets],
            "nodeSelector": dict(rules.node_selector),
            "tolerations": [dict(each) for each in rules.tolerations],
            # started in this order: where the component runs, or has ended, its files can be moved
            "containers": [_exchange(rules), _component(image, rules)],
            "volumes": [
                *({"name": name, "emptyDir": {"sizeLimit": size}} for name, size in _FOLDERS.items()),
                {"name": "tmp", "emptyDir": _TMP},
            ],
        },
    }


def _component(image: ContainerImage, rules: PodRules) -> dict[str, Any]:
    limits = image.limits
    memory = f"{limits.memory_mb}Mi"
    cores = round(limits.cpus * 1000)
    return {
        "name": COMPONENT,
        "image": image.image,
        "imagePullPolicy": rules.pull_policy,
        "stdin": True,
        "stdinOnce": True,  # it ends with the connection, and so does what keeps to the protocol
        "securityContext": _RESTRICTED,
        "resources": {
            "requests": {"cpu": f"{max(1, cores * rules.cpu_request_percent // 100)}m", "memory": memory},
            "limits": {"cpu": f"{cores}m", "memory": memory, "ephemeral-storage": "1536Mi"},
        },
        "volumeMounts": [
            {"name": "in", "mountPath": f"{INSIDE}/in", "readOnly": True},
            {"name": "out", "mountPath": f"{INSIDE}/out"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the container's own
        ],
    }


def _exchange(rules: PodRules) -> dict[str, Any]:
    return {
        "name": EXCHANGE,
        "image": rules.exchange_image,
        "imagePullPolicy": rules.pull_policy,
        "command": ["sleep", "infinity"],
        "securityContext": _RESTRICTED,
        "resources": {
            "requests": {"cpu": "10m", "memory": "64Mi"},
            "limits": {"memory": "256Mi", "ephemeral-storage": "64Mi"},
        },
        "volumeMounts": [{"name": name, "mountPath": f"{INSIDE}/{name}"} for name in _FOLDERS],
    }


def _slug(component: str) -> str:
    return "".join(sign if sign.isalnum() else "-" for sign in component.lower())[:30].strip("-")
