"""A run launcher that makes pods for components, on a stand-in of the API server."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import dagster as dg
from dagster._core.launcher import DefaultRunLauncher
from dagster._serdes import ConfigurableClassData
from typing_extensions import override

from imageflow_clients.containers.cluster_pods import ClusterPods
from imageflow_clients.containers.pods import PodMaker
from tests.containers.api_server import client_of
from tests.containers.conftest import OWNER, RULES


class StandInLauncher(DefaultRunLauncher):
    """Says how pods are made, and launches no run."""

    def __init__(self, api_server: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data=inst_data)
        self._api_server = api_server

    @classmethod
    @override
    def config_type(cls) -> dict[str, Any]:
        return {"api_server": dg.Field(str)}

    @classmethod
    @override
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        return cls(api_server=config_value["api_server"], inst_data=inst_data)

    def pod_maker(self, run_id: str) -> PodMaker:
        pods = ClusterPods(client_of(self._api_server), RULES.namespace)
        rules = replace(RULES, labels={**RULES.labels, "dagster/run-id": run_id})
        return PodMaker(pods=pods, rules=rules, owner=OWNER, api_server=None)
