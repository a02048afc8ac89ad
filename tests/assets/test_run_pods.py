"""What the pod of a run is given, by what it does itself."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from imageflow_assets.run_pods import RunPods
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.errors import Unavailable
from imageflow_resources.storage import load_instance
from tests.assets.local_pods import on_pods
from tests.surveys.cities import city, planned

STAGES = {
    "capture": {"image": "games:1", "resources": {"limits": {"memory": "1Gi"}}, "nodeSelector": {"pool": "games"}},
    "tiles": {"resources": {"limits": {"memory": "8Gi"}}, "tolerations": [{"key": "tiles", "operator": "Exists"}]},
    "inspection": {"image": "gpu:1", "resources": {"limits": {"nvidia.com/gpu": 1}}},
}


COMPONENTS = {
    "serviceAccount": "trial-batch",
    "podsOfRun": 3,
    "nodeSelector": {"components": "true"},
    "requireNetworkPolicies": True,
}


@pytest.fixture
def components() -> dict[str, Any] | None:
    return None


@pytest.fixture
def launcher(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, components: dict[str, Any] | None
) -> Iterator[RunPods]:
    assert settings.database_url is not None
    monkeypatch.setenv("IMAGEFLOW_HOME", str(settings.home))
    monkeypatch.setenv("IMAGEFLOW_DATABASE_URL", settings.database_url.get_secret_value())
    with load_instance(settings) as loaded, on_pods(loaded, tmp_path, STAGES, 60, components) as instance:
        assert isinstance(instance.run_launcher, RunPods)
        yield instance.run_launcher


def _pod(launcher: RunPods, *assets: str, **tags: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the container and the pod of a run are given."""
    named = {name.replace("__", "/").replace("_k8s", "-k8s"): value for name, value in tags.items()}
    keys = frozenset(dg.AssetKey(asset) for asset in assets)
    config = launcher.get_container_context_for_run(
        dg.DagsterRun(job_name="any", asset_selection=keys, tags=named)
    ).run_k8s_config
    return dict(config.container_config), dict(config.pod_spec_config)


def test_a_small_survey_s_pod_has_what_all_its_stages_need_and_no_rights(launcher: RunPods, stores: Stores) -> None:
    survey = planned(stores, city("small", grid="3x3"))
    container, pod = _pod(launcher, "screenshots", "pair_offsets", "tiles", dagster__partition=survey.id)
    assert container["image"] == "games:1"
    assert container["resources"]["limits"] == {"memory": "8Gi"}
    assert pod["node_selector"] == {"pool": "games"}
    assert pod["tolerations"] == [{"key": "tiles", "operator": "Exists"}]
    assert pod["automount_service_account_token"] is False


def test_a_run_that_only_cuts_tiles_has_what_tiles_need(launcher: RunPods, stores: Stores) -> None:
    survey = planned(stores, city("tiles", grid="3x3"))
    container, pod = _pod(launcher, "tiles", dagster__partition=survey.id)
    assert "image" not in container
    assert pod["node_selector"] == {}


def test_a_large_survey_s_pod_does_no_stage_and_may_make_jobs(launcher: RunPods, stores: Stores) -> None:
    survey = planned(stores, city("large", grid="13x10"))
    container, pod = _pod(launcher, "screenshots", "pair_offsets", "tiles", dagster__partition=survey.id)
    assert "image" not in container
    assert container["resources"]["limits"] == {"memory": "4Gi"}
    assert pod["automount_service_account_token"] is True


def test_a_batch_is_inspected_where_models_are(launcher: RunPods) -> None:
    container, pod = _pod(launcher, "inspection_results", dagster__partition="part|one")
    assert container["image"] == "gpu:1"
    assert container["resources"]["limits"] == {"memory": "4Gi", "nvidia.com/gpu": 1}
    assert pod["automount_service_account_token"] is False
    assert pod["service_account_name"] == "trial-run"


@pytest.mark.parametrize("components", [COMPONENTS])
def test_only_the_run_of_a_batch_may_make_pods_for_components(launcher: RunPods, stores: Stores) -> None:
    _, pod = _pod(launcher, "inspection_results", dagster__partition="part|one")
    assert pod["automount_service_account_token"] is True
    assert pod["service_account_name"] == "trial-batch"
    survey = planned(stores, city("small", grid="3x3"))
    for others in (["screenshots", "tiles"], ["inspection_statistics"]):
        _, pod = _pod(launcher, *others, dagster__partition=survey.id)
        assert pod["automount_service_account_token"] is False
        assert pod["service_account_name"] == "trial-run"


@pytest.mark.parametrize("components", [COMPONENTS])
def test_pods_of_components_have_the_image_of_their_run_and_labels_that_no_policy_lets_through(
    launcher: RunPods, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTNAME", "dagster-run-1-abcde")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    maker = launcher.pod_maker("run-1")
    assert maker.owner == {"apiVersion": "v1", "kind": "Pod", "name": "dagster-run-1-abcde", "uid": "uid-1"}
    assert maker.rules.exchange_image == "imageflow:of-this-run"
    assert maker.rules.most == 3
    assert maker.rules.labels == {
        "app.kubernetes.io/name": "imageflow-component",
        "app.kubernetes.io/instance": "trial",
        "app.kubernetes.io/component": "component",
        "dagster/run-id": "run-1",
    }
    assert maker.api_server == ("10.0.0.1", 443)


def test_no_pod_of_a_component_is_made_where_that_is_not_enabled(launcher: RunPods) -> None:
    with pytest.raises(Unavailable, match=r"set `components\.enabled`"):
        launcher.pod_maker("run-1")


def test_other_runs_have_what_all_runs_have(launcher: RunPods) -> None:
    container, _ = _pod(launcher, "inspection_statistics")
    assert container["resources"]["limits"] == {"memory": "4Gi"}
    assert "image" not in container


def test_a_run_s_tag_takes_precedence(launcher: RunPods, stores: Stores) -> None:
    survey = planned(stores, city("tagged", grid="3x3"))
    given = {"container_config": {"image": "mine:2"}, "pod_spec_config": {"node_selector": {"pool": "mine"}}}
    tags = {"dagster__partition": survey.id, "dagster_k8s__config": json.dumps(given)}
    container, pod = _pod(launcher, "screenshots", **tags)
    assert container["image"] == "mine:2"
    assert pod["node_selector"] == {"pool": "mine"}
