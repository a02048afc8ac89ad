"""Where the pods of runs go: to nodes with GPUs, to further nodes, and into the queue of a full cluster.

Nodes without a machine (`Cluster.fake_node`) show where pods are put; what is done is shown on the cluster's own node.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from services.kubernetes.cluster import Cluster
from services.kubernetes.node import FAKE_LABEL, NAME
from tests.chart.rendering import CHART
from tests.e2e.stack import Cli, environment, wait_for
from tests.kubernetes.release import Release

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

SMALL = {"game_id": "city", "grid": {"rows": 2, "cols": 2}, "seed": 7}
GPU = "nvidia.com/gpu"
FULL = "imageflow/full"


def _pods(release: Release, runs: Sequence[str]) -> list[dict[str, Any]]:
    return [pod for run in runs for pod in release.items("pods", f"dagster/run-id={run}")]


def _nodes(release: Release, runs: Sequence[str]) -> list[str]:
    """Return the nodes of the runs' pods, an empty name of those that have none yet."""
    return sorted(pod["spec"].get("nodeName", "") for pod in _pods(release, runs))


def _why_waiting(release: Release, pod: str) -> list[str]:
    """Return what the scheduler says of a pod."""
    events = [event for event in release.items("events") if event["involvedObject"]["name"] == pod]
    return [event["message"] for event in events if event["reason"] == "FailedScheduling"]


def test_a_batch_waits_for_a_gpu_says_so_and_goes_to_the_node_that_has_one(
    restored: Release, cluster: Cluster, tmp_path: Path
) -> None:
    example = yaml.safe_load((CHART / "examples" / "gpu-nodes.yaml").read_text())["runs"]["stages"]["inspection"]
    inspection = {**example, "image": restored.images["imageflow"]}
    restored.upgrade({"runs": {"stages": {"inspection": inspection}}})
    run = _inspection_run(restored, tmp_path)
    (pod,) = _pods(restored, [run])
    name = pod["metadata"]["name"]
    (why, *_) = wait_for(lambda: _why_waiting(restored, name) or None, 60, lambda: f"nothing is said of {name}")
    assert why.startswith("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector")

    labels = {f"{GPU}.present": "true"}
    has = {"cpu": "8", "memory": "64Gi"}
    with cluster.fake_node("no-gpu", has, taint=GPU, labels=labels):
        wait_for(
            lambda: True if any(f"1 Insufficient {GPU}" in why for why in _why_waiting(restored, name)) else None,
            60,
            lambda: str(_why_waiting(restored, name)),
        )
        assert _nodes(restored, [run]) == [""]
        with cluster.fake_node("gpu", {**has, GPU: "1"}, taint=GPU, labels=labels):
            wait_for(
                lambda: True if _nodes(restored, [run]) == ["gpu"] else None, 60, lambda: str(_nodes(restored, [run]))
            )
            survey = restored.post("/api/jobs", {**SMALL, "save_data_id": "no_gpu"})
            restored.await_job(survey["job_id"])
            assert _nodes(restored, [survey["dag_run_id"]]) == [NAME]
            restored.cancel(run)


def _inspection_run(release: Release, folder: Path) -> str:
    """Upload a batch of one drawn part, and return the run that is to inspect it."""
    here = Cli(home=folder / "home", env=environment(folder / "home"))
    here.run("model", "draw", str(folder / "drawn"), "--pictures", "1", "--first", "100500")
    gateway = ("exec", f"deployment/{release.name}-gateway", "--", "imageflow")
    release.kubectl(*gateway, "model", "register", "--shipped")
    release.kubectl(*gateway, "product", "publish", "examples/inspection/product.yaml")
    (picture,) = (folder / "drawn").glob("*.png")
    answer = httpx.post(
        f"{release.url}/api/v1/batches?product=part&name=gpu",
        files={"pictures": (picture.name, picture.read_bytes())},
        timeout=60,
        trust_env=False,
    )
    assert answer.is_success, answer.text

    def pending() -> str | None:
        pods = release.items("pods", "app.kubernetes.io/component=run_worker")
        waiting = [pod for pod in pods if pod["status"]["phase"] == "Pending"]
        return waiting[0]["metadata"]["labels"]["dagster/run-id"] if waiting else None

    return wait_for(pending, 120, lambda: release.kubectl("get", "pods"))


def test_two_nodes_take_twice_the_runs_of_one(restored: Release, cluster: Cluster) -> None:
    key, value = FAKE_LABEL.split("=")
    runs = {
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}},
        "nodeSelector": {key: value},
        "tolerations": [{"key": FULL, "operator": "Exists"}],
    }
    restored.upgrade({"runs": runs})
    jobs = [restored.post("/api/jobs", {**SMALL, "save_data_id": f"fake_{number}"}) for number in range(6)]
    ids = [job["dag_run_id"] for job in jobs]
    wait_for(lambda: True if len(_pods(restored, ids)) == len(ids) else None, 120, lambda: str(_nodes(restored, ids)))
    with ExitStack() as nodes:
        for count, expected in enumerate((["", "", "", "", "one", "one"], ["", "", "one", "one", "two", "two"])):
            nodes.enter_context(cluster.fake_node(("one", "two")[count], {"cpu": "2", "memory": "64Gi"}, taint=FULL))
            wait_for(
                lambda wanted=expected: True if _nodes(restored, ids) == wanted else None,  # type: ignore[misc]
                60,
                lambda: str(_nodes(restored, ids)),
            )
        waiting = next(pod for pod in _pods(restored, ids) if "nodeName" not in pod["spec"])
        assert any("2 Insufficient cpu" in why for why in _why_waiting(restored, waiting["metadata"]["name"]))
        for job in jobs:
            restored.post(f"/api/jobs/{job['job_id']}/cancel", {})
        wait_for(lambda: True if not _pods(restored, ids) else None, 120, lambda: restored.kubectl("get", "pods"))


def test_a_full_cluster_queues_runs_and_loses_none(restored: Release) -> None:
    # the node has two cores, of which the release's own pods ask for a fourth
    restored.upgrade({"runs": {"resources": {"requests": {"cpu": "900m"}}}})
    jobs = [restored.post("/api/jobs", {**SMALL, "save_data_id": f"full_{number}"}) for number in range(4)]
    ids = [job["dag_run_id"] for job in jobs]
    wait_for(
        lambda: True if _nodes(restored, ids) == ["", "", "", NAME] else None,
        120,
        lambda: restored.kubectl("get", "pods"),
    )
    for job in jobs:
        done = restored.await_job(job["job_id"], within_s=600)
        assert done["total_tasks"] == done["completed_tasks"]
    assert set(restored.runs()) >= set(ids)
    found = [restored.get(f"/api/v1/surveys/{job['survey_id']}/runs").json()["runs"] for job in jobs]
    assert [[run["status"] for run in runs] for runs in found] == [["SUCCESS"]] * len(jobs)
