"""The chart against Kubernetes' own schemas, and against a policy for pods; nothing is installed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from dagster._config import process_config

from imageflow_assets.component_pods import ComponentNeeds, component_labels
from imageflow_assets.placement import Needs
from imageflow_assets.run_pods import RunPods
from imageflow_domain.errors import Unavailable
from imageflow_resources.pools import INSPECTION, POOL_OF_LAYER
from tests.chart.rendering import CHART, EXAMPLES, NEWEST, OLDEST, helm, manifests, pod_templates

pytestmark = pytest.mark.timeout(900)  # the first use builds Helm


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda path: path.stem)
def test_its_values_are_taken_without_a_warning(values: Path) -> None:
    helm("lint", "--strict", "--kube-version", NEWEST, CHART, "-f", values)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("values", EXAMPLES, ids=lambda path: path.stem)
def test_what_it_makes_fits_the_schemas_of_kubernetes(values: Path, version: str) -> None:
    made = manifests("-f", str(values), kubernetes=version)
    assert len(made) >= 20
    for document in made:
        assert kubernetes_validate.validate(document, version, strict=True) == version.rpartition(".")[0]


def test_a_misspelt_field_does_not_fit_the_schemas() -> None:
    deployment = next(one for one in manifests() if one["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["serviceAcountName"] = "any"
    with pytest.raises(kubernetes_validate.ValidationError, match="serviceAcountName"):
        kubernetes_validate.validate(deployment, NEWEST, strict=True)


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda path: path.stem)
def test_no_pod_is_root_mounts_the_machine_or_lacks_limits(values: Path) -> None:
    pods = [template["spec"] for template in pod_templates(manifests("-f", str(values)))]
    assert len(pods) >= 6
    assert [fault for pod in pods for fault in faults_of(pod)] == []


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"securityContext": {"runAsUser": 0}}, "may be root"),
        ({"hostNetwork": True}, "hostNetwork"),
        ({"volumes": [{"name": "all", "hostPath": {"path": "/"}}]}, "mounts the machine"),
    ],
)
def test_a_pod_with_rights_does_not_pass(wrong: dict[str, Any], fault: str) -> None:
    pod = pod_templates(manifests())[0]["spec"]
    assert faults_of({**pod, **wrong}) == [fault]


@pytest.mark.parametrize("part", ["securityContext", "resources"])
def test_a_container_with_rights_or_without_limits_does_not_pass(part: str) -> None:
    pod = pod_templates(manifests())[0]["spec"]
    container = {**pod["containers"][0], part: {}}
    assert faults_of({**pod, "containers": [container]}) == [f"{container['name']}: {part}"]


def faults_of(pod: dict[str, Any]) -> list[str]:
    """Return what a pod has that none of ours may have."""
    faults = []
    if pod["securityContext"].get("runAsNonRoot") is not True or pod["securityContext"].get("runAsUser") == 0:
        faults.append("may be root")
    faults += [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    if any("hostPath" in volume for volume in pod.get("volumes", [])):
        faults.append("mounts the machine")
    restricted = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        if container["securityContext"] != restricted:
            faults.append(f"{container['name']}: securityContext")
        resources = container["resources"]
        if "memory" not in resources.get("limits", {}) or resources.get("requests", {}).keys() != {"cpu", "memory"}:
            faults.append(f"{container['name']}: resources")
    return faults


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("settings.IMAGEFLOW_TILE_POOL=3", "additional properties 'IMAGEFLOW_TILE_POOL' not allowed"),
        ("settings.IMAGEFLOW_ALERT_SECRET=x", "additional properties 'IMAGEFLOW_ALERT_SECRET' not allowed"),
        ("gateway.replica=2", "additional properties 'replica' not allowed"),
        ("gateway.replicas=many", "got string, want integer"),
        ("ingress.enabled=true", "publicUrl: where the Ingress serves the map"),
        ("backup.enabled=true", "backup.url and backup.recipients"),
        ("gateway.canary.image=any:1,tileCache.enabled=false", "gateway.canary: the tile cache divides the requests"),
        ("gateway.canary.weightPercent=101", "gateway.canary.weightPercent: a share of the requests"),
        ("besideRelease=blue,demo.enabled=true", "besideRelease: a release beside another one"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(wrong: str, said: str) -> None:
    with pytest.raises(Unavailable, match=said):
        manifests("--set", wrong)


def test_large_numbers_several_secrets_and_a_digest_stay_what_they_are(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(
        "settings: {IMAGEFLOW_BATCH_LIMIT_BYTES: 2000000000, IMAGEFLOW_STORE_DEADLINE_S: 2.5}\n"
        "image: {repository: ours/imageflow, digest: 'sha256:0123', pullSecrets: [one, two]}\n"
        "runs: {keepFinishedSeconds: 2000000}\n"
    )
    made = {(one["kind"], one["metadata"]["name"]): one for one in manifests("-f", str(values))}
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
def test_the_launcher_takes_what_the_chart_says_of_stages(values: Path) -> None:
    config = _launcher(manifests("-f", str(values)))
    taken = process_config(RunPods.config_type(), config)
    assert taken.success, taken.errors
    stages = {stage: Needs.model_validate(needs) for stage, needs in config["stages"].items()}
    assert stages.keys() == {*POOL_OF_LAYER.values(), INSPECTION}
    if values.stem == "gpu-nodes":
        assert stages[INSPECTION].resources.limits["nvidia.com/gpu"] == "1"


def test_an_account_of_one_s_own_may_make_the_jobs_of_shares_and_is_not_made() -> None:
    made = manifests("--set", "runs.serviceAccount=mine")
    accounts = {one["metadata"]["name"] for one in made if one["kind"] == "ServiceAccount"}
    assert accounts == {"imageflow-dagster", "imageflow-code"}
    bound = {one["roleRef"]["name"]: one["subjects"][0]["name"] for one in made if one["kind"] == "RoleBinding"}
    assert bound == {
        "imageflow-dagster": "imageflow-dagster",
        "imageflow-code": "imageflow-code",
        "imageflow-run": "mine",
    }
    assert _launcher(made)["service_account_name"] == "mine"


ENABLED = ("-f", str(CHART / "examples" / "components.yaml"))


def test_runs_of_batches_make_pods_for_components_only_where_that_is_enabled() -> None:
    assert "components" not in _launcher(manifests())
    assert "imageflow-component" not in str(manifests())
    made = {(one["kind"], one["metadata"]["name"]): one for one in manifests(*ENABLED)}
    needs = ComponentNeeds.model_validate(_launcher([*made.values()])["components"])
    assert needs.service_account == "imageflow-batch"
    assert needs.node_selector == {"imageflow/components": "true"}
    assert needs.require_network_policies
    settings = made["ConfigMap", "imageflow-settings"]["data"]
    assert settings["IMAGEFLOW_CONTAINER_PROGRAM"] == "kubernetes"
    assert made["ServiceAccount", "imageflow-batch"]["automountServiceAccountToken"] is False
    allowed = {
        resource: set(rule["verbs"])
        for rule in made["Role", "imageflow-batch"]["rules"]
        for resource in rule["resources"]
    }
    assert allowed == {
        "pods": {"create", "get", "delete"},
        "pods/attach": {"create", "get"},
        "pods/exec": {"create", "get"},
        "pods/log": {"get"},
    }
    others = [one for (kind, name), one in made.items() if kind == "Role" and name != "imageflow-batch"]
    assert "pods/exec" not in str(others)
    assert "pods/attach" not in str(others)


@pytest.mark.parametrize("policies", [True, False])
def test_pods_of_components_are_denied_all_traffic_and_allowed_none(policies: bool) -> None:
    made = manifests(*ENABLED, "--set", f"networkPolicies.enabled={str(policies).lower()}")
    labels = component_labels(_launcher(made)["labels"])
    chosen = [
        one["spec"]
        for one in made
        if one["kind"] == "NetworkPolicy" and one["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    ]
    assert [(set(spec["policyTypes"]), spec.get("ingress"), spec.get("egress")) for spec in chosen] == [
        ({"Ingress", "Egress"}, None, None)
    ]


def test_an_account_of_one_s_own_may_make_the_pods_of_components() -> None:
    made = manifests(*ENABLED, "--set", "runs.serviceAccount=mine")
    bound = {one["roleRef"]["name"]: one["subjects"][0]["name"] for one in made if one["kind"] == "RoleBinding"}
    assert bound["imageflow-batch"] == "mine"
    assert "imageflow-batch" not in {one["metadata"]["name"] for one in made if one["kind"] == "ServiceAccount"}
    assert _launcher(made)["components"]["serviceAccount"] == "mine"


def _launcher(made: Sequence[dict[str, Any]]) -> Any:
    """Return the configuration of the run launcher."""
    (instance,) = [one for one in made if one["metadata"]["name"] == "imageflow-dagster" and one["kind"] == "ConfigMap"]
    return yaml.safe_load(instance["data"]["dagster.yaml"])["run_launcher"]["config"]


def test_backups_get_the_keys_of_their_store_and_no_other_process_does() -> None:
    made = manifests("-f", str(CHART / "examples" / "backup.yaml"))
    jobs = {one["metadata"]["name"]: one for one in made if one["kind"] == "CronJob"}
    assert set(jobs) == {"imageflow-backup-database", "imageflow-backup-objects"}
    named = {
        one["metadata"]["name"] for one in made if "imageflow-backup'" in str(one) and one["kind"] != "NetworkPolicy"
    }
    assert named == set(jobs)
    (to_store,) = [one for one in made if one["metadata"]["name"] == "imageflow-to-backup-store"]
    assert to_store["spec"]["egress"] == [{"ports": [{"port": 443, "protocol": "TCP"}]}]
    own_port = manifests("-f", str(CHART / "examples" / "backup.yaml"), "--set", "backup.endpoint=http://store:9001")
    (to_store,) = [one for one in own_port if one["metadata"]["name"] == "imageflow-to-backup-store"]
    assert to_store["spec"]["egress"] == [{"ports": [{"port": 9001, "protocol": "TCP"}]}]


def test_a_service_monitor_chooses_the_gateways_service_and_prometheus_may_reach_it() -> None:
    prometheus = "networkPolicies.metricsFrom[0].namespaceSelector.matchLabels.name=monitoring"
    made = manifests("--set", f"serviceMonitor.enabled=true,serviceMonitor.labels.release=any,{prometheus}")
    named = {(one["kind"], one["metadata"]["name"]): one for one in made}
    monitor, service = named["ServiceMonitor", "imageflow-gateway"], named["Service", "imageflow-gateway"]
    assert monitor["metadata"]["labels"]["release"] == "any"
    selector, labels = monitor["spec"]["selector"], service["metadata"]["labels"]
    assert selector["matchLabels"].items() <= labels.items()
    (component,) = selector["matchExpressions"]
    assert labels[component["key"]] in component["values"]
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    policy = named["NetworkPolicy", "imageflow-from-outside-to-metrics"]["spec"]
    assert policy["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "gateway"
    assert policy["ingress"][0]["from"] == [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "none"),
        ({"networkPolicies": {"grpcFrom": [{"podSelector": {}}]}}, "imageflow-engine.default:50051"),
        ({"networkPolicies": {"enabled": False}}, "imageflow-engine.default:50051"),
        ({"grpcAddress": "grpc.example.com:443"}, "grpc.example.com:443"),
    ],
)
def test_clients_are_told_an_address_of_grpc_where_somebody_may_reach_it(
    given: dict[str, Any], told: str, tmp_path: Path
) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(given))
    made = {(one["kind"], one["metadata"]["name"]): one for one in manifests("-f", str(values))}
    assert made["ConfigMap", "imageflow-settings"]["data"]["IMAGEFLOW_GRPC_ADDRESS"] == told


def test_a_canary_is_a_second_gateway_that_gets_its_share_of_the_requests() -> None:
    canary = "gateway.canary.image=ours/imageflow:0.6.0,gateway.canary.weightPercent=5"
    prometheus = "networkPolicies.metricsFrom[0].podSelector.matchLabels.app=prometheus"
    named = {(one["kind"], one["metadata"]["name"]): one for one in manifests("--set", f"{canary},{prometheus}")}
    pod = named["Deployment", "imageflow-gateway-canary"]["spec"]["template"]["spec"]
    images = {container["image"] for container in [*pod["containers"], *pod["initContainers"]]}
    assert images == {"ours/imageflow:0.6.0"}
    selected = named["Service", "imageflow-gateway"]["spec"]["selector"].items()
    labels = named["Deployment", "imageflow-gateway-canary"]["spec"]["template"]["metadata"]["labels"]
    assert not selected <= labels.items()
    nginx = named["ConfigMap", "imageflow-tile-cache"]["data"]["nginx.conf"]
    assert "5% canary;" in nginx
    (caller,) = named["NetworkPolicy", "imageflow-to-gateway-canary"]["spec"]["ingress"][0]["from"]
    assert caller["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "tile-cache"
    assert ("NetworkPolicy", "imageflow-from-outside-to-metrics-canary") in named


def test_a_release_beside_another_one_is_gateways_and_a_tile_cache_over_the_same_dagster() -> None:
    made = manifests("--set", "besideRelease=blue")
    deployments = {one["metadata"]["name"] for one in made if one["kind"] == "Deployment"}
    assert deployments == {"imageflow-gateway", "imageflow-tile-cache"}
    named = {(one["kind"], one["metadata"]["name"]): one for one in made}
    settings = named["ConfigMap", "imageflow-settings"]["data"]
    assert settings["IMAGEFLOW_DAGSTER_URL"] == "http://blue-dagster:3000"
    assert settings["IMAGEFLOW_ENGINE_ADDRESS"] == "blue-engine:50051"
    policy = named["NetworkPolicy", "imageflow-to-blue"]["spec"]
    assert policy["podSelector"]["matchLabels"]["app.kubernetes.io/instance"] == "blue"
    assert {"ServiceAccount", "Role", "CronJob", "StatefulSet"}.isdisjoint(kind for kind, _ in named)


def test_gateways_reach_the_engines_for_what_these_compute_at_once() -> None:
    named = {(one["kind"], one["metadata"]["name"]): one for one in manifests()}
    assert named["ConfigMap", "imageflow-settings"]["data"]["IMAGEFLOW_ENGINE_ADDRESS"] == "imageflow-engine:50051"
    (rule,) = named["NetworkPolicy", "imageflow-to-engine"]["spec"]["ingress"]
    (caller,) = rule["from"]
    assert caller["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "gateway"
    assert rule["ports"] == [{"port": 50051}]


def test_the_volumes_of_a_trial_are_kept_when_it_is_uninstalled() -> None:
    made = manifests("-f", str(CHART / "values-demo.yaml"))
    claims = [one["metadata"] for one in made if one["kind"] == "PersistentVolumeClaim"]
    assert {claim["name"] for claim in claims} == {"imageflow-demo-postgres", "imageflow-demo-minio"}
    assert {claim["annotations"]["helm.sh/resource-policy"] for claim in claims} == {"keep"}


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda path: path.stem)
def test_probes_pass_on_a_node_whose_cores_are_all_busy(values: Path) -> None:
    pods = [template["spec"] for template in pod_templates(manifests("-f", str(values)))]
    probes = [
        (kind, container[kind])
        for pod in pods
        for container in pod["containers"]
        for kind in ("startupProbe", "readinessProbe", "livenessProbe")
        if kind in container
    ]
    assert len(probes) >= 15
    for kind, probe in probes:
        command = probe.get("exec", {}).get("command", [])
        answer_s = 60 if "dagster-daemon" in command else 10 if command else 5
        assert probe["timeoutSeconds"] >= answer_s, probe
        if kind == "startupProbe":
            assert probe["periodSeconds"] * probe["failureThreshold"] >= 60, probe


def test_another_version_replaces_neither_the_servers_of_a_trial_nor_the_tile_cache(tmp_path: Path) -> None:
    helm("package", CHART, "--version", "99.0.0", "--app-version", "99.0.0", "--destination", tmp_path)
    options = ("-f", str(CHART / "values-demo.yaml"), "--kube-version", NEWEST)
    now, later = (
        {
            (one["kind"], one["metadata"]["name"]): one["spec"]["template"]
            for one in yaml.safe_load_all(helm("template", "imageflow", chart, *options))
            if one and one["kind"] in {"Deployment", "StatefulSet"}
        }
        for chart in (CHART, tmp_path / "imageflow-99.0.0.tgz")
    )
    assert now.keys() == later.keys()
    assert {key for key in now if now[key] == later[key]} == {
        ("Deployment", "imageflow-tile-cache"),
        ("StatefulSet", "imageflow-demo-postgres"),
        ("StatefulSet", "imageflow-demo-minio"),
    }
