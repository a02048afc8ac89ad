"""Components that are container images as pods of a real cluster: by themselves, and in batches of an installation."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import httpx
import kubernetes.config
import numpy as np
import pytest
import yaml
from kubernetes.client import CoreV1Api

from imageflow_clients.containers.cluster_pods import ClusterPods
from imageflow_clients.containers.local import LocalContainers
from imageflow_clients.containers.pod_spec import PodRules
from imageflow_clients.containers.pods import PodContainers, PodMaker
from imageflow_clients.database.inspection import inspections
from imageflow_clients.settings import Settings
from imageflow_clients.stores import open_stores
from imageflow_domain.errors import ContainerFailed, StepDied, Unavailable
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_inspection.masters import create_product
from services.kubernetes import network
from services.kubernetes.cluster import Cluster
from tests.containers.images import FOCUS, focus_program, local_image, rogue_program
from tests.containers.test_rogue_components import GOOD, MANIFEST, ask
from tests.e2e.stack import Cli, environment, wait_for
from tests.inspection.lids import lid, next_master, taken
from tests.kubernetes.release import RESTRICTED, Release

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

FOCUS_MANIFEST = yaml.safe_load((FOCUS / "component.yaml").read_text())
LABELS = {"app.kubernetes.io/name": "imageflow-component"}
OF_COMPONENTS = "app.kubernetes.io/name=imageflow-component"
_NAMESPACE = "components"
_OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "kube-root-ca.crt"}
_FILE = cv2.imencode(".png", np.zeros((13, 13, 3), np.uint8))[1].tobytes()
"""An image that the rogue component treats badly."""


@pytest.fixture(scope="module")
def focus(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the image of the example in Go, in the node."""
    return cluster.load_pinned(local_image(focus_program(), tmp_path_factory.mktemp("focus")))


@pytest.fixture(scope="module")
def rogue(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the image of a component that misbehaves on request, in the node."""
    return cluster.load_pinned(local_image(rogue_program(), tmp_path_factory.mktemp("rogue")))


@pytest.fixture(scope="module")
def maker(cluster: Cluster, images: Mapping[str, str]) -> PodMaker:
    """Return how this process makes pods, in a namespace that admits none with rights."""
    cluster.kubectl("create", "namespace", _NAMESPACE)
    cluster.kubectl("label", "namespace", _NAMESPACE, RESTRICTED)
    client = kubernetes.config.new_client_from_config(str(cluster.kubeconfig))
    owner = wait_for(lambda: _owner(cluster), 30, lambda: "the namespace stays empty")
    rules = PodRules(
        namespace=_NAMESPACE,
        labels=LABELS,
        exchange_image=images["imageflow"],
        cpu_request_percent=10,
    )
    return PodMaker(pods=ClusterPods(CoreV1Api(client), _NAMESPACE), rules=rules, owner=owner, api_server=None)


@pytest.fixture
def pods(cluster: Cluster, maker: PodMaker) -> Iterator[PodContainers]:
    with PodContainers(lambda: maker) as running:
        yield running
    wait_for(lambda: True if not _pods(cluster) else None, 30, lambda: str(_pods(cluster)))


def _owner(cluster: Cluster) -> dict[str, Any] | None:
    """Return a reference to something of the namespace, once all is there that Kubernetes makes in it."""
    found = {
        kind: json.loads(cluster.kubectl("-n", _NAMESPACE, "get", kind, "-o", "json"))["items"]
        for kind in ("configmaps", "serviceaccounts")
    }
    return {**_OWNER, "uid": found["configmaps"][0]["metadata"]["uid"]} if all(found.values()) else None


def _pods(cluster: Cluster) -> list[str]:
    return cluster.kubectl("-n", _NAMESPACE, "get", "pods", "-o", "name").split()


WRONG = {
    "flood": "which is no JSON",
    "long line": "wrote a line of more than 4,194,304 bytes",
    "no json": "wrote 'done!' to standard output, which is no JSON",
    "another id": "answered with the id -1 instead of",
    "two answers": "wrote more than one line",
    "hang": "did not answer within 3 s",
    "fill the disk": "too many files",
    "link": "it cannot be read",
    "pipe": "it is no regular file",
    "folder": "a folder that cannot be read",
    "nothing": "gave nothing for the output 'drawn'",
    "big file": "it has 314,572,801 bytes, more than 268,435,456",
    "not finite": "which is no JSON",
}
DEATHS = {
    "crash": "ended with status 7 before it answered.",
    "memory": "for want of memory (OOMKilled)",
    "curious": "can: [",
}


@pytest.mark.parametrize("how", WRONG)
def test_a_wrong_answer_of_a_pod_fails_its_image_alone(pods: PodContainers, rogue: str, how: str) -> None:
    with pytest.raises(ContainerFailed) as failed:
        ask(pods, rogue, how)
    assert WRONG[how] in str(failed.value)
    if how == "hang":
        assert str(failed.value).endswith("waiting for a licence")
    assert np.array_equal(ask(pods, rogue, how, GOOD)["drawn"].pixels, GOOD.pixels)  # type: ignore[union-attr]


@pytest.mark.parametrize("how", DEATHS)
def test_a_component_that_ends_in_its_pod_is_reported_with_its_last_lines(
    pods: PodContainers, rogue: str, how: str
) -> None:
    with pytest.raises(StepDied) as died:
        ask(pods, rogue, how)
    assert DEATHS[how] in str(died.value)
    if how == "crash":
        assert str(died.value).endswith("trace line 49")
        assert "trace line 29" not in str(died.value)
    if how == "curious":  # this cluster's network enforces no policy, so that it dials
        (can,) = re.findall(r"can: \[([^]]*)\]", str(died.value))
        assert set(can.split()) <= {"network", "dials"}
    assert ask(pods, rogue, how, GOOD)["drawn"]


def test_a_pod_serves_many_images_in_less_time_than_its_start(
    pods: PodContainers, rogue: str, record_property: Callable[[str, object], None]
) -> None:
    picture = replace(GOOD, pixels=np.random.default_rng(1).integers(0, 256, (1080, 1920, 3), np.uint8))
    took_s = []
    for each in (GOOD, *[GOOD] * 20, *[picture] * 5):
        begun_s = time.monotonic()
        assert ask(pods, rogue, "", each)["drawn"]
        took_s.append(time.monotonic() - begun_s)
    small_s, large_s = median(took_s[1:21]), median(took_s[21:])
    record_property("seconds", {"first": took_s[0], "small": small_s, "1080p": large_s})
    assert small_s < took_s[0] / 4


def test_a_component_that_the_cluster_s_network_does_not_keep_in_is_given_no_image(maker: PodMaker, rogue: str) -> None:
    checked = replace(maker, api_server=(network.API_SERVICE, 443), policy_s=2)
    with PodContainers(lambda: checked) as pods, pytest.raises(Unavailable, match="requireNetworkPolicies"):
        ask(pods, rogue, "", GOOD)


def test_an_image_that_no_registry_has_is_refused_with_what_to_do(pods: PodContainers) -> None:
    with pytest.raises(Unavailable, match="could not be pulled"):
        ask(pods, f"localhost:1/absent/rogue@sha256:{'0' * 64}", "")


def test_an_image_without_its_program_is_not_started(cluster: Cluster, pods: PodContainers, tmp_path: Path) -> None:
    program = tmp_path / "absent"
    program.write_text("no program")
    folder = tmp_path / "image"
    folder.mkdir()
    with pytest.raises(Unavailable, match=r"could not be started\. .*absent"):
        ask(pods, cluster.load_pinned(local_image(program, folder)), "")


def test_a_batch_is_judged_by_pods_of_a_component_in_go_as_by_podman(
    release: Release, focus: str, tmp_path: Path
) -> None:
    pictures = [lid(), lid(height_px=0), b"no picture", *(lid(width_px=60 + 4 * place) for place in range(17))]
    _publish(release, "sharp", "focus@1", focus, FOCUS_MANIFEST, {"measurement": "focus", "least": 2})
    batch = _upload(release, "sharp", pictures)
    run_id = _a_pod(release)["metadata"]["labels"]["dagster/run-id"]
    done = _await(release, batch, "inspected")
    run = release.runs()[run_id]
    assert run["spec"]["template"]["spec"]["serviceAccountName"] == f"{release.name}-batch"
    inspection = release.get(f"/api/v1/inspections/{done['inspection_id']}").json()
    assert inspection["judged_by"][0]["images"] == {"focus@1": focus}
    wait_for(
        lambda: True if not release.names("pods", OF_COMPONENTS) else None, 30, lambda: release.kubectl("get", "pods")
    )
    here = _by_podman(tmp_path, pictures)
    assert [verdict for verdict, _ in here].count("undecided") == 1
    assert _results(release, done["inspection_id"]) == here


ROGUES = {"crash": "status 7", "hang": "did not answer", "flood": "no JSON", "no json": "wrote 'done!'"}


def test_components_that_misbehave_cost_their_own_images_alone(release: Release, rogue: str, focus: str) -> None:
    _publish(release, "beside", "focus@1", focus, FOCUS_MANIFEST, {"measurement": "focus", "least": 2})
    batches = {}
    for how in ROGUES:
        product = how.replace(" ", "_")
        _publish(release, product, "rogue@1", rogue, MANIFEST, {"measurement": "count", "least": 1}, how=how)
        batches[how] = _upload(release, product, [lid(), _FILE, lid(width_px=80)])
    beside = _upload(release, "beside", [lid(), lid(width_px=80)])
    for how, batch in batches.items():
        found = _results(release, _await(release, batch, "inspected")["inspection_id"])
        assert [verdict for verdict, _ in found] == ["pass", "undecided", "pass"], (how, found)
        assert ROGUES[how] in found[1][1]["reason"]
    found = _results(release, _await(release, beside, "inspected")["inspection_id"])
    assert [verdict for verdict, _ in found] == ["pass", "pass"]


def test_pods_of_components_end_with_a_run_whose_pod_is_deleted(release: Release, rogue: str) -> None:
    slow = {**MANIFEST, "name": "slow", "resources": {"memory_mb": 64, "time_limit_s": 3600}}
    _publish(release, "slow", "slow@1", rogue, slow, {"measurement": "count", "least": 1}, how="hang")
    batch = _upload(release, "slow", [_FILE])
    pod = _a_pod(release)
    run_id = pod["metadata"]["labels"]["dagster/run-id"]
    (worker,) = release.names("pods", f"dagster/run-id={run_id},app.kubernetes.io/component=run_worker")
    assert [owner["name"] for owner in pod["metadata"]["ownerReferences"]] == [worker]
    assert "token" not in str(pod["spec"]["volumes"])
    release.kubectl("delete", "pod", worker, "--grace-period=0", "--force")
    mine = f"{OF_COMPONENTS},dagster/run-id={run_id}"
    wait_for(lambda: True if not release.names("pods", mine) else None, 90, lambda: release.kubectl("get", "pods"))
    assert release.get(f"/api/v1/batches/{batch}").json()["state"] != "inspected"


def _a_pod(release: Release) -> dict[str, Any]:
    """Return the pod of a component, as soon as there is one."""
    return wait_for(
        lambda: next(iter(release.items("pods", OF_COMPONENTS)), None), 240, lambda: release.kubectl("get", "pods")
    )


def _publish(
    release: Release,
    product: str,
    component: str,
    image: str,
    manifest: Mapping[str, Any],
    wanted: Mapping[str, Any],
    **parameters: Any,
) -> None:
    """Publish a product that is judged by what one component measures."""
    release.post("/api/v1/components", {"image": image, "manifest": manifest})
    release.post("/api/v1/pipelines", _spec(product, component, manifest, parameters))
    release.post("/api/v1/masters", {"code": product, "name": product})
    draft = release.post(f"/api/v1/masters/{product}/versions", {"items": [_item(product, wanted)]})
    publication = {"revision": draft["revision"]}
    release.post(f"/api/v1/masters/{product}/versions/{draft['version']}/publish", publication)


def _spec(name: str, component: str, manifest: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    measured = next(port for port, facts in manifest["outputs"].items() if facts["kind"] == "measurements")
    steps = {
        "decode": {"use": "decode@2", "from": {"picture": "inputs.picture"}},
        "asked": {"use": component, "with": dict(parameters), "from": {"image": "decode.image"}},
        "rows": {"use": "merge@1", "from": {"values": [f"asked.{measured}"]}},
    }
    return {"pipeline": name, "steps": steps, "outputs": {"values": "rows.value"}}


def _item(pipeline: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    criteria = {"ranges": [dict(wanted)]}
    return {"code": "seen", "name": "Seen", "type": "FUNCTION", "pipeline": f"{pipeline}@1", "criteria": criteria}


def _upload(release: Release, product: str, pictures: Sequence[bytes]) -> int:
    answer = httpx.post(
        f"{release.url}/api/v1/batches",
        params={"product": product, "name": "b1"},
        files=[("pictures", (f"p{place:04d}.png", data)) for place, data in enumerate(pictures)],
        timeout=60,
        trust_env=False,
    )
    assert answer.is_success, answer.text
    return int(answer.json()["id"])


def _await(release: Release, batch: int, state: str) -> dict[str, Any]:
    def reached() -> dict[str, Any] | None:
        now: dict[str, Any] = release.get(f"/api/v1/batches/{batch}").json()
        assert now["state"] in {state, "closed", "taken"}, now
        return now if now["state"] == state else None

    return wait_for(reached, 400, lambda: release.get(f"/api/v1/batches/{batch}").text)


def _results(release: Release, inspection: int) -> list[tuple[str, dict[str, Any]]]:
    """Return the verdict on each image and what was found."""
    listed = release.get(f"/api/v1/inspections/results?inspection={inspection}").json()["results"]
    found = []
    for place in range(len(listed)):
        (item,) = release.get(f"/api/v1/inspections/{inspection}/results/{place}").json()["judgements"]
        found.append((item["verdict"], item["details"]))
    return found


def _by_podman(folder: Path, pictures: Sequence[bytes]) -> list[tuple[str, dict[str, Any]]]:
    """Return what the same batch gives on this machine."""
    home = folder / "home"
    here = Cli(home=home, env=environment(home))
    image = local_image(focus_program(), folder)
    here.run("component", "register", image, "--manifest", str(FOCUS / "component.yaml"))
    spec = folder / "sharp.yaml"
    spec.write_text(yaml.safe_dump(_spec("sharp", "focus@1", FOCUS_MANIFEST, {})))
    here.run("pipeline", "publish", str(spec))
    stores = open_stores(Settings(home=home))
    with stores.database:
        create_product(stores, "sharp", "Sharp")
        next_master(stores, "sharp", [_item("sharp", {"measurement": "focus", "least": 2})])
        batch = taken(stores, "b1", pictures, product="sharp")
        with LocalContainers(folder / "scratch") as containers:
            done = inspect_batch(stores, batch.id, containers=containers)
        with stores.database.begin() as connection:
            results = inspections.results(connection, done.id)
    return [(result.items[0].verdict.value, json.loads(json.dumps(result.items[0].details))) for result in results]
