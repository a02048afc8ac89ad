"""What the chart makes of its values, as Helm renders it; nothing is installed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._config import process_config

from imageflow_assets.placement import Needs
from imageflow_assets.run_pods import RunPods
from imageflow_domain.errors import Unavailable
from imageflow_resources.pools import INSPECTION, POOL_OF_LAYER
from services.kubernetes.cluster import Cluster
from services.kubernetes.programs import VERSION
from tests.kubernetes.release import CHART, RESTRICTED, manifests

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

EXAMPLES = [CHART / "values.yaml", CHART / "values-demo.yaml", *sorted((CHART / "examples").glob("*.yaml"))]


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda path: path.stem)
def test_what_it_makes_is_taken_by_the_api_server(cluster: Cluster, values: Any) -> None:
    cluster.run("helm", "lint", "--strict", "--kube-version", VERSION, CHART, "-f", values)
    made = manifests(cluster, "-f", str(values))
    said = cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump_all(made))
    assert said.count("dry run") == len(made)


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda path: path.stem)
def test_its_pods_are_admitted_where_none_may_have_rights(cluster: Cluster, values: Any) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "restricted"}}
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(namespace))
    cluster.kubectl("label", "namespace", "restricted", RESTRICTED, "--overwrite")
    made = manifests(cluster, "-f", str(values))
    # only pods are judged, and only where what they name is there
    accounts = [document for document in made if document["kind"] == "ServiceAccount"]
    cluster.kubectl("-n", "restricted", "apply", "-f", "-", stdin=yaml.safe_dump_all(accounts))
    pods = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"pod-{number}"}, "spec": template["spec"]}
        for number, template in enumerate(_templates(made))
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


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda path: path.stem)
def test_no_pod_is_root_mounts_the_machine_or_lacks_limits(cluster: Cluster, values: Any) -> None:
    pods = [template["spec"] for template in _templates(manifests(cluster, "-f", str(values)))]
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
        ("ingress.enabled=true", "publicUrl: where the Ingress serves the map"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(cluster: Cluster, wrong: str, said: str) -> None:
    with pytest.raises(Unavailable, match=said):
        manifests(cluster, "--set", wrong)


def test_large_numbers_several_secrets_and_a_digest_stay_what_they_are(cluster: Cluster, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(
        "settings: {IMAGEFLOW_BATCH_LIMIT_BYTES: 2000000000, IMAGEFLOW_STORE_DEADLINE_S: 2.5}\n"
        "image: {repository: ours/imageflow, digest: 'sha256:0123', pullSecrets: [one, two]}\n"
        "runs: {keepFinishedSeconds: 2000000}\n"
    )
    made = {(one["kind"], one["metadata"]["name"]): one for one in manifests(cluster, "-f", str(values))}
    settings = made["ConfigMap", "imageflow-settings"]["data"]
    assert settings["IMAGEFLOW_BATCH_LIMIT_BYTES"] == "2000000000"
    assert settings["IMAGEFLOW_STORE_DEADLINE_S"] == "2.5"
    launcher = _launcher([*made.values()])
    assert launcher["job_image"] == "ours/imageflow@sha256:0123"
    assert launcher["image_pull_secrets"] == [{"name": "one"}, {"name": "two"}]
    assert launcher["run_k8s_config"]["job_spec_config"]["ttl_seconds_after_finished"] == 2_000_000
    pod = made["Deployment", "imageflow-gateway"]["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}]
    assert pod["containers"][0]["image"] == "ours/imageflow@sha256:0123"


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda path: path.stem)
def test_the_launcher_takes_what_the_chart_says_of_stages(cluster: Cluster, values: Any) -> None:
    config = _launcher(manifests(cluster, "-f", str(values)))
    taken = process_config(RunPods.config_type(), config)
    assert taken.success, taken.errors
    stages = {stage: Needs.model_validate(needs) for stage, needs in config["stages"].items()}
    assert stages.keys() == {*POOL_OF_LAYER.values(), INSPECTION}
    if values.stem == "gpu-nodes":
        assert stages[INSPECTION].resources.limits["nvidia.com/gpu"] == "1"


def test_an_account_of_one_s_own_may_make_the_jobs_of_shares_and_is_not_made(cluster: Cluster) -> None:
    made = manifests(cluster, "--set", "runs.serviceAccount=mine")
    accounts = {one["metadata"]["name"] for one in made if one["kind"] == "ServiceAccount"}
    assert accounts == {"imageflow-dagster", "imageflow-code"}
    bound = {one["roleRef"]["name"]: one["subjects"][0]["name"] for one in made if one["kind"] == "RoleBinding"}
    assert bound == {
        "imageflow-dagster": "imageflow-dagster",
        "imageflow-code": "imageflow-code",
        "imageflow-run": "mine",
    }
    assert _launcher(made)["service_account_name"] == "mine"


def _launcher(made: Sequence[dict[str, Any]]) -> Any:
    """Return the configuration of the run launcher."""
    (instance,) = [one for one in made if one["metadata"]["name"] == "imageflow-dagster" and one["kind"] == "ConfigMap"]
    return yaml.safe_load(instance["data"]["dagster.yaml"])["run_launcher"]["config"]


def _templates(made: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the templates of pods, with volumes in place of claims, which are made when a pod is."""
    found = []
    for spec in [document["spec"] for document in made if "template" in document.get("spec", {})]:
        claims = [claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])]
        pod = spec["template"]["spec"]
        volumes = [*pod.get("volumes", []), *({"name": name, "emptyDir": {}} for name in claims)]
        found.append({**spec["template"], "spec": {**pod, "volumes": volumes}})
    return found
