"""What Kubernetes says of a component's pod: whether it works, what keeps it from that, and how it ended. Pure."""

from typing import Any

from kubernetes.client import V1ContainerState, V1Pod

from imageflow_clients.containers.pod_spec import COMPONENT
from imageflow_clients.containers.running import Exit

_NO_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_NO_START = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError", "ContainerCannotRun"}
)


def image_fault(pod: V1Pod) -> str | None:
    """Return why an image of the pod cannot be had; `None` where nothing is wrong with it."""
    return _reason(pod, _NO_IMAGE)


def start_fault(pod: V1Pod) -> str | None:
    """Return why a container of the pod cannot be started; `None` where nothing is wrong with it."""
    return _reason(pod, _NO_START)


def is_working(pod: V1Pod) -> bool:
    """Return whether both containers run."""
    states = _states(pod)
    return len(states) == len(pod.spec.containers) and all(state.running is not None for state in states.values())


def why_waiting(pod: V1Pod) -> str:
    """Return what keeps a pod from working."""
    unscheduled = next(
        (each for each in pod.status.conditions or [] if each.type == "PodScheduled" and each.status == "False"), None
    )
    if unscheduled is not None:
        return str(unscheduled.message)
    waiting = [state.waiting for state in _states(pod).values() if state.waiting is not None]
    return "; ".join(f"{each.reason}: {each.message or ''}".rstrip(": ") for each in waiting) or "Its node is at it."


def exit_of(pod: V1Pod) -> Exit | None:
    """Return how the component ended, or `None` while it runs."""
    status = pod.status
    if status.reason is not None:  # Evicted, DeadlineExceeded, NodeLost
        return Exit(why=f"Its pod was ended ({status.reason}). {status.message or ''}".rstrip())
    state = _states(pod).get(COMPONENT)
    ended = None if state is None else state.terminated
    if ended is not None and ended.reason == "OOMKilled":
        return Exit(why="It was killed for want of memory (OOMKilled): raise `memory_mb` in its manifest.")
    if pod.metadata.deletion_timestamp is not None:
        return Exit(why="Its pod was deleted.")
    if ended is None:
        return None
    return Exit(status=ended.exit_code, was_started=ended.reason not in _NO_START)


def _reason(pod: V1Pod, known: frozenset[str]) -> str | None:
    for state in _states(pod).values():
        found: Any = state.waiting or state.terminated
        if found is not None and found.reason in known:
            return f"{found.reason}: {found.message or 'no reason is given'}"
    return None


def _states(pod: V1Pod) -> dict[str, V1ContainerState]:
    statuses = pod.status.container_statuses or []
    return {each.name: each.state for each in statuses if each.state is not None}
