"""What a pod gets that does several stages."""

import pytest
from pydantic import ValidationError

from imageflow_assets.placement import Needs, Resources, joined

ALL_RUNS = Resources(requests={"cpu": "500m", "memory": "700Mi"}, limits={"memory": "4Gi"})
CAPTURE = Needs(
    image="openttd:1",
    resources=Resources(requests={"cpu": 2}, limits={"memory": "512Mi"}),
    node_selector={"pool": "games"},
    tolerations=({"key": "games", "operator": "Exists"},),
)
TILES = Needs(
    image="tiles:1",
    resources=Resources(requests={"cpu": "1500m"}, limits={"memory": "5000000Ki", "nvidia.com/gpu": 1}),
    node_selector={"pool": "large", "disk": "ssd"},
    tolerations=({"key": "games", "operator": "Exists"}, {"key": "gpu", "operator": "Exists"}),
)


def test_a_pod_of_several_stages_has_the_most_of_each_resource() -> None:
    resources = joined([CAPTURE, TILES], ALL_RUNS).resources
    assert resources.requests == {"cpu": 2, "memory": "700Mi"}
    assert resources.limits == {"memory": "5000000Ki", "nvidia.com/gpu": 1}


def test_a_pod_whose_stages_all_need_less_has_no_more_than_runs_have() -> None:
    assert joined([CAPTURE], ALL_RUNS).resources.limits == {"memory": "4Gi"}


def test_the_first_stage_decides_about_image_and_nodes_and_every_toleration_is_there_once() -> None:
    both = joined([CAPTURE, TILES], ALL_RUNS)
    assert both.image == "openttd:1"
    assert both.node_selector == {"pool": "games", "disk": "ssd"}
    assert both.tolerations == TILES.tolerations


def test_no_stage_needs_nothing_of_its_own() -> None:
    assert joined([], ALL_RUNS) == Needs(resources=ALL_RUNS)


def test_needs_are_written_as_the_chart_has_them_and_wrong_ones_are_refused() -> None:
    needs = Needs.model_validate({"nodeSelector": {"pool": "games"}, "resources": {}, "image": "", "tolerations": []})
    assert needs.k8s_config() == {
        "container_config": {"resources": {"requests": {}, "limits": {}}},
        "pod_spec_config": {"node_selector": {"pool": "games"}, "tolerations": []},
    }
    with pytest.raises(ValidationError, match="nodeSelektor"):
        Needs.model_validate({"nodeSelektor": {}})
