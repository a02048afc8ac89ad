"""Pods of components: what they may do, what becomes of them, and what the message says where there can be none."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import kubernetes_validate
import numpy as np
import pytest
from kubernetes import client

from imageflow_clients.containers.pod_spec import component_pod
from imageflow_clients.containers.pod_states import exit_of
from imageflow_clients.containers.pods import PodContainers, PodMaker
from imageflow_clients.containers.running import Exit
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.containers import ContainerImage, ContainerLimits
from imageflow_domain.errors import Cancelled, StepDied, Unavailable
from tests.chart.rendering import NEWEST, OLDEST
from tests.chart.test_chart import faults_of
from tests.containers.api_server import ApiServer
from tests.containers.conftest import OWNER, RULES
from tests.containers.images import left_containers
from tests.containers.test_rogue_components import GOOD, ask

Cluster = tuple[ApiServer, PodMaker]

IMAGE = ContainerImage(
    component="focus_x@3",
    image=f"registry/focus@sha256:{'0' * 64}",
    limits=ContainerLimits(cpus=1.5, memory_mb=512, time_s=20, start_s=60),
)


def _pod(**changes: Any) -> dict[str, Any]:
    return component_pod(IMAGE, replace(RULES, **changes), OWNER)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_a_pod_fits_the_schemas_of_kubernetes(version: str) -> None:
    pod = _pod(pull_secrets=("one",), tolerations=({"key": "components", "operator": "Exists"},))
    assert kubernetes_validate.validate(pod, version, strict=True) == version.rpartition(".")[0]


def test_a_pod_has_no_rights_no_token_and_no_name_server_and_goes_with_its_run() -> None:
    pod = _pod(node_selector={"components": "true"}, deadline_s=600)
    spec = pod["spec"]
    assert faults_of(spec) == []
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["dnsPolicy"] == "None"
    assert spec["restartPolicy"] == "Never"
    assert spec["activeDeadlineSeconds"] == 600
    assert spec["nodeSelector"] == {"components": "true"}
    assert pod["metadata"]["ownerReferences"] == [OWNER]
    assert pod["metadata"]["labels"] == RULES.labels
    assert pod["metadata"]["name"].startswith("component-focus-x-3-")
    assert all(set(volume) == {"name", "emptyDir"} for volume in spec["volumes"])


def test_a_component_has_the_limits_of_its_manifest_and_reads_its_inputs_alone() -> None:
    exchange, component = _pod(cpu_request_percent=20)["spec"]["containers"]
    assert component["resources"] == {
        "requests": {"cpu": "300m", "memory": "512Mi"},
        "limits": {"cpu": "1500m", "memory": "512Mi", "ephemeral-storage": "1536Mi"},
    }
    assert component["image"] == IMAGE.image
    assert "command" not in component
    assert exchange["image"] == RULES.exchange_image
    assert {each["mountPath"]: each.get("readOnly", False) for each in component["volumeMounts"]} == {
        "/exchange/in": True,
        "/exchange/out": False,
        "/tmp": False,  # noqa: S108
    }


def test_a_first_line_that_comes_by_the_connection_is_taken_once(
    cluster: Cluster, pods: PodContainers, rogue_image: str
) -> None:
    cluster[0].is_attached_early = True
    for _ in range(2):
        assert np.array_equal(ask(pods, rogue_image, "", GOOD)["drawn"].pixels, GOOD.pixels)  # type: ignore[union-attr]


def test_a_pod_that_reaches_the_network_is_given_no_image(cluster: Cluster, rogue_image: str) -> None:
    server, maker = cluster
    checked = replace(maker, api_server=("127.0.0.1", server.port), policy_s=0)
    with PodContainers(lambda: checked) as pods, pytest.raises(Unavailable, match="requireNetworkPolicies"):
        ask(pods, rogue_image, "", GOOD)
    assert left_containers() == []


def test_a_pod_that_reaches_nothing_works(cluster: Cluster, rogue_image: str) -> None:
    checked = replace(cluster[1], api_server=("127.0.0.1", 1))
    with PodContainers(lambda: checked) as pods:
        assert ask(pods, rogue_image, "", GOOD)


def test_no_more_pods_work_at_once_than_a_run_may_have(cluster: Cluster, rogue_image: str) -> None:
    server, maker = cluster
    few = replace(maker, rules=replace(RULES, most=2))
    with PodContainers(lambda: few) as pods, ThreadPoolExecutor(5) as threads:
        assert all(threads.map(lambda _: ask(pods, rogue_image, "", GOOD), range(10)))
    assert len(server.bodies) <= 2


def test_a_refused_pod_fails_with_what_to_enable(cluster: Cluster, pods: PodContainers, rogue_image: str) -> None:
    cluster[0].refuses = True
    with pytest.raises(Unavailable, match=r"does not make a pod .* pods is forbidden.*`components.enabled`"):
        ask(pods, rogue_image, "", GOOD)


def test_a_pod_that_gets_no_node_in_time_fails_with_what_kept_it(cluster: Cluster, rogue_image: str) -> None:
    server, maker = cluster
    server.is_full = True
    hasty = replace(maker, rules=replace(RULES, start_s=1))
    with (
        PodContainers(lambda: hasty) as pods,
        pytest.raises(Unavailable, match=r"within 1 s\. 0/1 nodes are available"),
    ):
        ask(pods, rogue_image, "", GOOD)


@pytest.mark.parametrize("busy", [True, False])
def test_a_lost_connection_costs_a_pod_and_is_no_wrong_answer(
    cluster: Cluster, pods: PodContainers, rogue_image: str, busy: bool
) -> None:
    server = cluster[0]
    ask(pods, rogue_image, "", GOOD)
    if busy:
        threading.Timer(0.5, server.disconnect).start()
        with pytest.raises(StepDied, match="The connection to its pod was lost"):
            ask(pods, rogue_image, "hang")
    else:
        server.disconnect()
    assert ask(pods, rogue_image, "", GOOD)
    assert len(server.bodies) == 2


def test_a_pod_that_is_deleted_costs_its_image_one_attempt(
    cluster: Cluster, pods: PodContainers, rogue_image: str
) -> None:
    server, maker = cluster
    ask(pods, rogue_image, "", GOOD)
    name = server.bodies[0]["metadata"]["name"]
    threading.Timer(0.5, maker.pods.delete, (name,)).start()
    with pytest.raises(StepDied, match=r"Its pod (was deleted|is gone)"):
        ask(pods, rogue_image, "hang")


def test_large_files_arrive_whole(cluster: Cluster, pods: PodContainers, rogue_image: str) -> None:
    picture = replace(GOOD, pixels=np.random.default_rng(1).integers(0, 256, (1500, 2000, 3), np.uint8))
    assert np.array_equal(ask(pods, rogue_image, "", picture)["drawn"].pixels, picture.pixels)  # type: ignore[union-attr]


def _state(component: client.V1ContainerState | None = None, *, deleted: bool = False, **status: Any) -> client.V1Pod:
    found = client.V1ContainerStatus(
        name="component", image="i", image_id="i", ready=False, restart_count=0, state=component
    )
    return client.V1Pod(
        metadata=client.V1ObjectMeta(name="pod-1", deletion_timestamp=datetime.now(UTC) if deleted else None),
        status=client.V1PodStatus(container_statuses=[found] if component else None, **status),
    )


def _terminated(code: int, reason: str) -> client.V1ContainerState:
    return client.V1ContainerState(terminated=client.V1ContainerStateTerminated(exit_code=code, reason=reason))


@pytest.mark.parametrize(
    ("pod", "found"),
    [
        (_state(client.V1ContainerState(running=client.V1ContainerStateRunning())), None),
        (_state(_terminated(7, "Error")), Exit(status=7)),
        (_state(_terminated(128, "StartError")), Exit(status=128, was_started=False)),
        (_state(reason="Evicted", message="Usage of EmptyDir volume."), "(Evicted). Usage of EmptyDir volume."),
        (_state(reason="DeadlineExceeded"), "Its pod was ended (DeadlineExceeded)."),
        (_state(_terminated(137, "OOMKilled")), "raise `memory_mb` in its manifest"),
        (_state(_terminated(137, "Error"), deleted=True), "Its pod was deleted."),
    ],
)
def test_the_end_of_a_component_is_read_from_its_pod(pod: client.V1Pod, found: Exit | str | None) -> None:
    if isinstance(found, str):
        assert found in exit_of(pod).why  # type: ignore[union-attr]
    else:
        assert exit_of(pod) == found


def test_nothing_waits_for_a_pod_once_the_run_is_cancelled(
    cluster: Cluster, pods: PodContainers, rogue_image: str
) -> None:
    cluster[0].is_full = True
    stop = Cancellation()
    begun_s = time.monotonic()
    threading.Timer(0.5, stop.cancel, ("Enough.",)).start()
    with pytest.raises(Cancelled, match="Enough"):
        ask(pods, rogue_image, "", GOOD, stop)
    assert time.monotonic() - begun_s < 2.5
