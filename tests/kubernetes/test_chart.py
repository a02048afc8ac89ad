"""What the chart makes of its values, as Helm renders it; nothing is installed."""

from typing import Any

import pytest
import yaml

from imageflow_clients.chart_reference import made_files
from imageflow_domain.errors import Unavailable
from services.kubernetes.cluster import Cluster
from tests.e2e.stack import ROOT
from tests.kubernetes.release import CHART, RESTRICTED, manifests

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

EXAMPLES = [CHART / "values.yaml", CHART / "values-demo.yaml", *sorted((CHART / "examples").glob("*.yaml"))]


def test_the_files_that_are_made_from_the_code_are_current() -> None:
    assert [path.name for path, content in made_files(ROOT).items() if path.read_text() != content] == []


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda path: path.stem)
def test_what_it_makes_is_taken_by_a_namespace_that_admits_no_rights(cluster: Cluster, values: Any) -> None:
    cluster.run("helm", "lint", "--strict", CHART, "-f", values)
    made = manifests(cluster, "-f", str(values))
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": values.stem}}
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(namespace))
    cluster.kubectl("label", "namespace", values.stem, RESTRICTED, "--overwrite")
    said = cluster.kubectl(*("-n", values.stem, "apply", "--dry-run=server", "-f", "-"), stdin=yaml.safe_dump_all(made))
    assert said.count("dry run") == len(made)


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda path: path.stem)
def test_no_pod_is_root_mounts_the_machine_or_lacks_limits(cluster: Cluster, values: Any) -> None:
    pods = [
        document["spec"]["template"]["spec"]
        for document in manifests(cluster, "-f", str(values))
        if "template" in document.get("spec", {})
    ]
    assert len(pods) >= 6
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert [volume for volume in pod.get("volumes", []) if "hostPath" in volume] == []
        assert not any(pod.get(name) for name in ("hostNetwork", "hostPID", "hostIPC"))
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("settings.IMAGEFLOW_TILE_POOL=3", "additional properties 'IMAGEFLOW_TILE_POOL' not allowed"),
        ("settings.IMAGEFLOW_ALERT_SECRET=x", "additional properties 'IMAGEFLOW_ALERT_SECRET' not allowed"),
        ("gateway.replica=2", "additional properties 'replica' not allowed"),
        ("gateway.replicas=many", "got string, want integer"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(cluster: Cluster, wrong: str, said: str) -> None:
    with pytest.raises(Unavailable, match=said):
        manifests(cluster, "--set", wrong)
