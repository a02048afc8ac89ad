"""Why a pod ended or does not start, in words. Pure: it reads what Kubernetes says of the pod."""

from typing import Any

from kubernetes.client import V1ContainerState, V1Pod


def why_ended(pod: V1Pod) -> str | None:
    """Return why a pod ended, or is about to; `None` while nothing is wrong with it."""
    name, status = pod.metadata.name, pod.status
    disruption = _condition(pod, "DisruptionTarget", "True")
    killed = [state.terminated for state in _states(pod) if state.terminated is not None]
    if any(each.reason == "OOMKilled" for each in killed):
        return (
            f"The pod '{name}' was killed for want of memory (OOMKilled): raise the memory limit of the step's stage, "
            "`runs.stages` in the chart's values."
        )
    if status.reason == "Evicted":
        return f"The pod '{name}' was evicted from its node (Evicted). {status.message or ''}".rstrip()
    if disruption is not None:
        return f"The pod '{name}' was taken from its node ({disruption.reason}). {disruption.message or ''}".rstrip()
    if pod.metadata.deletion_timestamp is not None:
        return f"The pod '{name}' was deleted."
    if any(each.exit_code != 0 for each in killed):
        return f"The pod '{name}' ended with exit code {killed[0].exit_code}: `kubectl logs {name}` says why."
    return None


def why_waiting(pod: V1Pod) -> str | None:
    """Return what keeps a pod from starting; `None` once its container has started."""
    states = _states(pod)
    if any(state.running is not None or state.terminated is not None for state in states):
        return None
    unscheduled = _condition(pod, "PodScheduled", "False")
    if unscheduled is not None:
        return str(unscheduled.message)
    reasons = [f"{state.waiting.reason}: {state.waiting.message or ''}" for state in states if state.waiting]
    return "; ".join(reasons) or "Its node has not begun it."


def _states(pod: V1Pod) -> list[V1ContainerState]:
    return [container.state for container in pod.status.container_statuses or [] if container.state is not None]


def _condition(pod: V1Pod, kind: str, value: str) -> Any:
    conditions = pod.status.conditions or []
    return next((each for each in conditions if each.type == kind and each.status == value), None)
