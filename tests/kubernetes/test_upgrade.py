"""Another version: upgrades and rollbacks under load, blue-green by two releases, a canary behind the tile cache.

The other version is the same program under another tag, in a chart whose appVersion is that tag.
"""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from services.kubernetes import network
from services.kubernetes.cluster import Cluster
from tests.chart.rendering import CHART
from tests.e2e.stack import wait_for
from tests.kubernetes.release import Release, repository_and_tag
from tests.kubernetes.test_shares import LARGE, STEPS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

LATER = "0.5.1"
SMALL = {"game_id": "city", "grid": {"rows": 2, "cols": 2}, "seed": 7}
_SERVICE_FOLLOWS_S = 10
"""From a change of a Service until every node directs connections accordingly."""
MAP_PORT = 30090
MAP = f"http://{network.NODE}:{MAP_PORT}"
"""Where people find the map, whichever release serves it."""


@pytest.fixture(scope="module")
def later(cluster: Cluster, images: Mapping[str, str]) -> str:
    """The image of the later version, on the node."""
    return cluster.tag(images["imageflow"], LATER)


@pytest.fixture
def later_chart(cluster: Cluster, tmp_path: Path) -> Path:
    cluster.run("helm", "package", CHART, "--version", LATER, "--app-version", LATER, "--destination", tmp_path)
    return tmp_path / f"imageflow-{LATER}.tgz"


def _images(release: Release, kind: str, selector: str = "") -> set[str]:
    """Return the images of pods, or of what makes pods."""
    specs = [item["spec"] for item in release.items(kind, selector)]
    pods = [spec.get("template", {}).get("spec", spec) for spec in specs]
    return {container["image"] for pod in pods for container in pod["containers"]}


def _first_share(release: Release, run_id: str) -> None:
    wait_for(
        lambda: release.names("pods", f"dagster/run-id={run_id},{STEPS}") or None,
        240,
        lambda: release.kubectl("get", "pods"),
    )


def test_a_survey_goes_on_through_an_upgrade_with_its_image_and_a_rollback_brings_the_former_version_back(
    release: Release, later: str, later_chart: Path
) -> None:
    own, revision = release.images["imageflow"], release.revision()
    old = release.post("/api/jobs", {**LARGE, "save_data_id": "upgraded"})
    _first_share(release, old["dag_run_id"])
    # an empty tag is the chart's appVersion
    repository = repository_and_tag(later)["repository"]
    release.upgrade({"image": {"repository": repository, "tag": ""}}, chart=later_chart)
    component = "app.kubernetes.io/component in (gateway, code, dagster, daemon, engine)"
    assert _images(release, "deployments", component) == {later}

    new = release.post("/api/jobs", {**SMALL, "save_data_id": "after"})
    release.await_job(new["job_id"])
    done = release.await_job(old["job_id"], within_s=900)
    assert done["total_tasks"] == done["completed_tasks"]
    found = release.get(f"/api/v1/surveys/{done['survey_id']}/runs").json()["runs"]
    assert {run["run_id"]: run["status"] for run in found} == {old["dag_run_id"]: "SUCCESS"}
    capture = release.images["capture-openttd"]
    assert _images(release, "jobs", f"dagster/run-id={old['dag_run_id']}") == {own, capture}

    release.roll_back(revision)
    assert _images(release, "deployments", component) == {own}
    again = release.post("/api/jobs", {**SMALL, "save_data_id": "rolled_back"})
    release.await_job(again["job_id"])
    assert release.get(f"/api/v1/surveys/{done['survey_id']}").json()["state"] == "completed"


class Visitor:
    """Asks for the map's health all the time, and keeps every answer that is none of success."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._visit)
        self.visits = 0
        self.failures: list[str] = []

    def __enter__(self) -> "Visitor":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _visit(self) -> None:
        while not self._over.wait(0.05):
            self.visits += 1
            try:
                answer = httpx.get(f"{self._url}/health/ready", timeout=10, trust_env=False)
            except httpx.TransportError as error:
                self.failures.append(repr(error))
            else:
                if not answer.is_success:
                    self.failures.append(f"{answer.status_code}: {answer.text}")


@contextmanager
def _service_of(release: Release) -> Iterator[None]:
    """Make the Service that people reach the map by: it chooses a release by its label."""
    chosen = {
        "app.kubernetes.io/component": "tile-cache",
        "app.kubernetes.io/instance": release.name,
        "app.kubernetes.io/name": "imageflow",
    }
    spec = {
        "type": "NodePort",
        "selector": chosen,
        "ports": [{"port": 8080, "targetPort": "http", "nodePort": MAP_PORT}],
    }
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "map"}, "spec": spec}
    release.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(service))
    try:
        yield
    finally:
        release.kubectl("delete", "service", "map")


def test_a_second_release_beside_the_first_takes_over_the_map_without_a_failed_request(
    release: Release, later: str, later_chart: Path
) -> None:
    blue = release
    values: dict[str, Any] = {
        "besideRelease": blue.name,
        "image": {"repository": repository_and_tag(later)["repository"], "pullPolicy": "Never"},
        "gateway": {"replicas": 1, "resources": {"requests": {"cpu": "50m"}}},
        "tileCache": {"image": blue.images["nginx"]},
        "secrets": {"database": f"{blue.name}-demo-database", "objectStore": f"{blue.name}-demo-object-store"},
        "objectStore": {"endpoint": f"http://{blue.name}-demo-minio:9000"},
        "publicUrl": MAP,
    }
    with _service_of(blue), ExitStack() as afterwards:
        wait_for(lambda: True if _answers(MAP) else None, 60, lambda: blue.kubectl("get", "endpoints"))
        visitor = Visitor(MAP)
        with visitor:
            afterwards.callback(blue.cluster.run, "helm", "-n", blue.name, "uninstall", "green", "--wait")
            green = ("install", "green", later_chart, "-f", "-")
            blue.cluster.run("helm", "-n", blue.name, *green, stdin=json.dumps(values))
            for name in ("green-gateway", "green-tile-cache"):
                blue.kubectl("rollout", "status", f"deployment/{name}", "--timeout=180s")
            selector = "app.kubernetes.io/component=tile-cache,app.kubernetes.io/instance=green"
            blue.kubectl("set", "selector", "service/map", f"{selector},app.kubernetes.io/name=imageflow")
            wait_for(
                lambda: True if _ends_of(blue, "map") == _addresses(blue, selector) else None,
                30,
                lambda: blue.kubectl("get", "endpointslices"),
            )
            time.sleep(_SERVICE_FOLLOWS_S)
            for part in ("gateway", "tile-cache"):
                deployment = f"deployment/{blue.name}-{part}"
                afterwards.callback(blue.kubectl, "rollout", "status", deployment)
                afterwards.callback(blue.kubectl, "scale", deployment, "--replicas=1")
                blue.kubectl("scale", deployment, "--replicas=0")
            body = {**SMALL, "save_data_id": "green"}
            answer = httpx.post(f"{MAP}/api/jobs", json=body, timeout=60, trust_env=False)
            assert answer.is_success, answer.text
            job = answer.json()
            wait_for(
                lambda: True if _state(job["survey_id"]) == "completed" else None, 300, lambda: _state(job["survey_id"])
            )
    assert visitor.visits > 100
    assert visitor.failures == []
    assert _images(blue, "jobs", f"dagster/run-id={job['dag_run_id']}") == {blue.images["capture-openttd"]}


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=10, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _state(survey: str) -> str:
    facts = httpx.get(f"{MAP}/api/v1/surveys/{survey}", timeout=60, trust_env=False).json()
    return str(facts["state"])


def _ends_of(release: Release, service: str) -> set[str]:
    """Return the addresses that a Service leads to."""
    slices = release.items("endpointslices", f"kubernetes.io/service-name={service}")
    return {address for one in slices for end in one["endpoints"] or [] for address in end["addresses"]}


def _addresses(release: Release, selector: str) -> set[str]:
    return {pod["status"]["podIP"] for pod in release.items("pods", selector)}


def test_a_canary_answers_its_share_and_where_it_is_gone_the_gateway_does(restored: Release, later: str) -> None:
    canary = {"image": later, "weightPercent": 50, "replicas": 1}
    restored.upgrade({"gateway": {"canary": canary}})

    missing = "/api/v1/surveys/city-none-0001"
    drawn = [_choice(restored.get(missing)) for _ in range(100)]
    assert set(drawn) == {"gateway", "canary"}
    assert 25 <= drawn.count("canary") <= 75
    assert _answered(restored, "gateway-canary", 404) == drawn.count("canary")

    url = f"{restored.url}{missing}"
    for _ in range(20):
        stays = httpx.get(url, cookies={"imageflow_gateway": "canary"}, timeout=60, trust_env=False)
        assert "set-cookie" not in stays.headers
    assert _answered(restored, "gateway-canary", 404) == drawn.count("canary") + 20

    restored.kubectl("scale", f"deployment/{restored.name}-gateway-canary", "--replicas=0")
    restored.kubectl("wait", "pod", "-l", "app.kubernetes.io/component=gateway-canary", "--for=delete", "--timeout=60s")
    assert {restored.get("/health/ready").status_code for _ in range(50)} == {200}


def _choice(answer: httpx.Response) -> str:
    """Return which version a new visitor is given."""
    assert answer.status_code == 404
    return answer.headers["set-cookie"].partition(";")[0].partition("=")[2]


def _answered(release: Release, component: str, status: int) -> int:
    """Return how many requests a version has answered with a status."""
    read = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8080/metrics').read().decode())"
    said = release.kubectl("exec", f"deployment/{release.name}-{component}", "--", "python", "-c", read)
    lines = [line for line in said.splitlines() if line.startswith("imageflow_requests_total{")]
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if f'status="{status}"' in line)
