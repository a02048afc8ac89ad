"""ImageFlow's chart, installed in a namespace of its own on a real cluster."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import yaml

from services.kubernetes import network
from services.kubernetes.cluster import Cluster
from tests.chart.rendering import CHART
from tests.e2e.stack import wait_for

READY_S = 180
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"


@dataclass(frozen=True)
class Release:
    """One installation of the chart with the demo values."""

    cluster: Cluster
    name: str
    node_port: int
    images: Mapping[str, str]

    @property
    def url(self) -> str:
        """Where this machine reaches the tile cache, and the gateway behind it."""
        return f"http://{network.NODE}:{self.node_port}"

    def install(self) -> None:
        """Make the namespace, which admits no pod with rights, install, and wait until all is ready."""
        self.cluster.kubectl("create", "namespace", self.name)
        self.cluster.kubectl("label", "namespace", self.name, RESTRICTED)
        self._install()

    def reinstall(self) -> None:
        """Uninstall, and install again under the same name, over the volumes that stay."""
        self.cluster.run("helm", "-n", self.name, "uninstall", self.name, "--wait")
        self._install()

    def upgrade(self, backup: Mapping[str, Any]) -> None:
        """Upgrade with these values of backups."""
        self._helm("upgrade", "--set-json", f"backup={json.dumps(backup)}")

    def _install(self) -> None:
        self._helm("install")
        for kind in ("statefulset", "deployment"):
            for name in self.names(kind):
                self.kubectl("rollout", "status", f"{kind}/{name}", f"--timeout={READY_S}s")
        # the network of services follows their pods a moment later
        wait_for(lambda: True if self.get("/health/ready").is_success else None, 30, lambda: self.get("/").text)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Return what `kubectl` prints, in the release's namespace."""
        return self.cluster.kubectl("-n", self.name, *arguments, stdin=stdin)

    def items(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """Return all objects of a kind."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, "-l", selector, "-o", "json"))["items"]
        return found

    def names(self, kind: str, selector: str = "") -> list[str]:
        """Return the names of all objects of a kind."""
        return [item["metadata"]["name"] for item in self.items(kind, selector)]

    def runs(self) -> dict[str, dict[str, Any]]:
        """Return the Jobs of runs, by the runs' ids."""
        jobs = self.items("jobs", "app.kubernetes.io/component=run_worker")
        return {job["metadata"]["labels"]["dagster/run-id"]: job for job in jobs}

    def get(self, path: str) -> httpx.Response:
        """Return the answer to a request through the tile cache."""
        return httpx.get(f"{self.url}{path}", timeout=60, trust_env=False)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the answer to a write, which must be taken."""
        answer = httpx.post(f"{self.url}{path}", json=body, timeout=60, trust_env=False)
        assert answer.is_success, answer.text
        return answer.json()

    def await_job(self, job: int, status: str = "completed", within_s: float = 300) -> dict[str, Any]:
        """Wait until a job has a status, and return what the API says of it."""

        def reached() -> dict[str, Any] | None:
            now: dict[str, Any] = self.get(f"/api/jobs/{job}/status").json()
            assert now["status"] in {status, "preparing", "running"}, now
            return now if now["status"] == status else None

        return wait_for(reached, within_s, lambda: f"job {job}: {self.get(f'/api/jobs/{job}/status').text}")

    def graphql(self, query: str) -> Any:
        """Return the data of Dagster's answer to a query, asked for in its own pod."""
        code = "import sys, httpx; print(httpx.post('http://127.0.0.1:3000/graphql', json={'query': sys.argv[1]}).text)"
        answer = json.loads(self.kubectl("exec", f"deployment/{self.name}-dagster", "--", "python", "-c", code, query))
        assert "errors" not in answer, answer
        return answer["data"]

    def retries(self, run_id: str) -> list[str]:
        """Return why steps of a run were tried again."""
        events = "eventConnection{events{__typename ... on ExecutionStepUpForRetryEvent{error{message}}}}"
        run = self.graphql(f'{{runOrError(runId:"{run_id}"){{... on Run{{{events}}}}}}}')["runOrError"]
        return [event["error"]["message"] for event in run["eventConnection"]["events"] if event.get("error")]

    def slots(self) -> Mapping[str, int]:
        """Return how many slots of each pool are taken."""
        limits = self.graphql("{instance{concurrencyLimits{concurrencyKey activeSlotCount}}}")["instance"]
        return {limit["concurrencyKey"]: limit["activeSlotCount"] for limit in limits["concurrencyLimits"]}

    def sleep(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a Job that does nothing for an hour."""
        container = {
            "name": "sleep",
            "image": self.images["imageflow"],
            "imagePullPolicy": "Never",
            "command": ["sleep", "3600"],
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        pod = {
            "restartPolicy": "Never",
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
        }
        metadata = {"name": name, "labels": dict(labels)}
        template = {"metadata": {"labels": dict(labels)}, "spec": pod}
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template}}
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(job))

    def _helm(self, command: str, *arguments: str) -> str:
        own = {
            "image": {**_repository_and_tag(self.images["imageflow"]), "pullPolicy": "Never"},
            "publicUrl": self.url,
            "runs": {
                "resources": {"requests": {"cpu": "100m", "memory": "300Mi"}},
                "stages": {"capture": {"image": self.images["capture-openttd"]}},
            },
            # the test's cluster enforces no network policies
            "components": {"enabled": True, "requireNetworkPolicies": False, "cpuRequestPercent": 10},
            "tileCache": {
                "image": self.images["nginx"],
                "service": {"type": "NodePort", "nodePort": self.node_port},
            },
            "demo": {"postgresImage": self.images["postgres"], "minioImage": self.images["minio"]},
        }
        chart = (self.name, str(CHART), "-f", str(CHART / "values-demo.yaml"), "-f", "-")
        return self.cluster.run("helm", "-n", self.name, command, *chart, *arguments, stdin=yaml.safe_dump(own))


def _repository_and_tag(image: str) -> dict[str, str]:
    repository, tag = image.rsplit(":", 1)
    return {"repository": repository, "tag": tag}
