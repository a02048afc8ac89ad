"""What the chart makes of its values, as a real API server takes it; nothing is installed."""

from pathlib import Path

import pytest
import yaml

from imageflow_domain.errors import Unavailable
from services.kubernetes.cluster import Cluster
from services.kubernetes.programs import VERSION
from tests.chart.rendering import EXAMPLES, manifests, pod_templates
from tests.kubernetes.release import RESTRICTED

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda path: path.stem)
def test_what_it_makes_is_taken_by_the_api_server(cluster: Cluster, values: Path) -> None:
    made = manifests("-f", str(values), kubernetes=VERSION)
    said = cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump_all(made))
    assert said.count("dry run") == len(made)


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda path: path.stem)
def test_its_pods_are_admitted_where_none_may_have_rights(cluster: Cluster, values: Path) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "restricted"}}
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(namespace))
    cluster.kubectl("label", "namespace", "restricted", RESTRICTED, "--overwrite")
    made = manifests("-f", str(values), kubernetes=VERSION)
    # only pods are judged, and only where what they name is there
    accounts = [document for document in made if document["kind"] == "ServiceAccount"]
    cluster.kubectl("-n", "restricted", "apply", "-f", "-", stdin=yaml.safe_dump_all(accounts))
    pods = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"pod-{number}"}, "spec": template["spec"]}
        for number, template in enumerate(pod_templates(made))
    ]
    said = cluster.kubectl("-n", "restricted", "create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump_all(pods))
    assert said.count("created (server dry run)") == len(pods) >= 6


def test_a_pod_with_rights_is_not_admitted_there(cluster: Cluster) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "restricted"}}
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(namespace))
    cluster.kubectl("label", "namespace", "restricted", RESTRICTED, "--overwrite")
    spec = {"containers": [{"name": "root", "image": "any"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "root"}, "spec": spec}
    with pytest.raises(Unavailable, match="violates PodSecurity"):
        cluster.kubectl("-n", "restricted", "create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(pod))
