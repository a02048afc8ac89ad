"""ImageFlow's chart, installed in a namespace of its own on a real cluster."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from services.kubernetes import network
from services.kubernetes.cluster import Cluster
from tests.chart.rendering import CHART
from tests.e2e.stack import wait_for

READY_S = 180
_PARTS = ("gateway", "codeServer", "engine", "dagsterWebserver", "dagsterDaemon")
_LITTLE = {"resources": {"requests": {"cpu": "50m"}}}
"""Of two cores, while an upgrade has every part twice."""
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

    def install(self, values: Mapping[str, Any] | None = None) -> None:
        """Make the namespace, which admits no pod with rights, install with values, and wait until all is ready."""
        self.cluster.kubectl("create", "namespace", self.name)
        self.cluster.kubectl("label", "namespace", self.name, RESTRICTED)
        self.install_again(values)

    def uninstall(self) -> str:
        """Uninstall, and return what Helm says; the volumes stay, and `install_again` finds them."""
        return self.cluster.run("helm", "-n", self.name, "uninstall", self.name, "--wait")

    def install_again(self, values: Mapping[str, Any] | None = None) -> None:
        """Install under the same name, over the volumes that stayed."""
        self._helm("install", CHART, values or {})
        self.await_ready()

    def upgrade(self, values: Mapping[str, Any], *, chart: Path = CHART) -> None:
        """Upgrade with these values beside its own, and wait until all is ready."""
        self._helm("upgrade", chart, values)
        self.await_ready()

    def revision(self) -> str:
        """Return the number of what is installed, for `roll_back`."""
        return str(json.loads(self.cluster.run("helm", "-n", self.name, "status", self.name, "-o", "json"))["version"])

    def roll_back(self, revision: str) -> None:
        """Bring a former revision back, and wait until all is ready."""
        self.cluster.run("helm", "-n", self.name, "rollback", self.name, revision)
        self.await_ready()

    def await_ready(self) -> None:
        """Wait until every part is ready and the API answers."""
        for kind in ("statefulset", "deployment"):
            for name in self.names(kind, f"app.kubernetes.io/instance={self.name}"):
                self.kubectl("rollout", "status", f"{kind}/{name}", f"--timeout={READY_S}s")
        # the network of services follows their pods a moment later
        wait_for(self._answers, 60, lambda: self.get("/health/ready").text)

    def _answers(self) -> bool | None:
        try:
            return True if self.get("/health/ready").is_success else None
        except httpx.TransportError:
            return None

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

    def cancel(self, run_id: str) -> None:
        """Cancel a run as Dagster's pages do."""
        done = self.graphql(f'mutation {{terminateRun(runId: "{run_id}") {{__typename}}}}')["terminateRun"]
        assert done["__typename"] == "TerminateRunSuccess", done

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

    def _helm(self, command: str, chart: Path, values: Mapping[str, Any]) -> str:
        own = {
            "image": {**repository_and_tag(self.images["imageflow"]), "pullPolicy": "Never"},
            "publicUrl": self.url,
            **dict.fromkeys(_PARTS, _LITTLE),
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
        files = ("-f", str(CHART / "values-demo.yaml"), "-f", "-")
        merged = json.dumps(_merged(own, values))
        return self.cluster.run("helm", "-n", self.name, command, self.name, chart, *files, stdin=merged)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return values over others, as Helm merges files."""
    both = {
        name: _merged(below[name], value) if isinstance(value, dict) and isinstance(below.get(name), dict) else value
        for name, value in above.items()
    }
    return {**below, **both}


def repository_and_tag(image: str) -> dict[str, str]:
    """Return an image as the chart's value `image` has it."""
    repository, tag = image.rsplit(":", 1)
    return {"repository": repository, "tag": tag}


def processes(*words: str) -> list[psutil.Process]:
    """Return the processes, those of the cluster among them, whose command lines have all of some words."""
    every = [(process, " ".join(process.info["cmdline"] or ())) for process in psutil.process_iter(["cmdline"])]
    return [process for process, command in every if all(word in command for word in words)]
