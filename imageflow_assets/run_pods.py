"""The run launcher on Kubernetes: Dagster's, with the needs of each stage, and with pods for shares of large surveys.

A run is a Job, and its pod has the needs of the stages that it does itself: `inspection` of a batch, the map's stages
of a small survey. The shares of a large survey have pods of their own, and only its run may make Jobs. Where the chart
enables components that are container images, the run of a batch makes pods for them, and no other run may. The tag
`dagster-k8s/config` of a run takes precedence, in the pods of its steps as well.
"""

import os
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster_k8s import K8sRunLauncher
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.executor import K8sStepHandler
from dagster_k8s.job import UserDefinedDagsterK8sConfig, get_user_defined_k8s_config

from imageflow_assets.component_pods import ComponentNeeds, component_labels, own_reference
from imageflow_assets.k8s_jobs import COMPONENT_LABEL, RUN_LABEL, STEP_WORKER, BarePods, Jobs
from imageflow_assets.placement import Needs, Resources, joined
from imageflow_assets.sizes import is_large
from imageflow_assets.step_hosts import StepHost
from imageflow_assets.step_pods import StepPods
from imageflow_clients.containers.cluster_pods import ClusterPods
from imageflow_clients.containers.pods import PodMaker
from imageflow_domain.errors import Unavailable
from imageflow_domain.survey import Layer
from imageflow_resources.instance_settings import settings_of
from imageflow_resources.pools import INSPECTION, POOL_OF_LAYER
from imageflow_resources.queue import RunLine, line_of

STAGE_LABEL = "imageflow/stage"

_OF_PIPELINES = frozenset({RunLine.INSPECTION, RunLine.EXECUTIONS})
"""Lines whose runs execute pipelines: on nodes for inspection, with pods for container components."""

_STEP_GRACE_S = 5
"""What a step has to end when its run is cancelled; the run's slots are free by then."""


class RunPods(K8sRunLauncher):
    """Launches each run as a Job, with the needs of the stages that its pod does."""

    def __init__(
        self, stages: Mapping[str, Any] | None = None, components: Mapping[str, Any] | None = None, **config: Any
    ) -> None:
        super().__init__(**config)
        self._stages = {stage: Needs.model_validate(needs) for stage, needs in (stages or {}).items()}
        self._components = ComponentNeeds.model_validate(components) if components else None

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Return Dagster's fields, `stages`: needs by the pool of the stage, such as `capture`, and `components`."""
        stages = dg.Field(dict, is_required=False, description="What the pods of each stage need.")
        components = dg.Field(dict, is_required=False, description="What pods of components need; unset: none is made.")
        return {**super().config_type(), "stages": stages, "components": components}  # type: ignore[no-untyped-call]

    def get_container_context_for_run(self, dagster_run: dg.DagsterRun) -> K8sContainerContext:
        """Return how the pod of a run is made."""
        large = is_large(dagster_run, settings_of({}))
        stages = [self._stages.get(stage, Needs()) for stage in _stages_in_pod(dagster_run, is_large=large)]
        config = joined(stages, self._resources_of_all()).k8s_config()
        makes_pods = self._components is not None and line_of(dagster_run) in _OF_PIPELINES
        config["pod_spec_config"]["automount_service_account_token"] = large or makes_pods
        if self._components is not None and makes_pods:
            config["pod_spec_config"]["service_account_name"] = self._components.service_account
        return self._context(dagster_run, config)

    def step_host(self, plan_context: PlanOrchestrationContext, rest: StepHost) -> StepHost:
        """Return what executes the steps of a large survey's run."""
        run = plan_context.dagster_run
        return StepPods(
            plan_context,
            rest,
            handler_of=lambda pool: K8sStepHandler(
                image=None,
                container_context=self._context(run, self._config_of_step(pool)),
                load_incluster_config=self.load_incluster_config,
                kubeconfig_file=self.kubeconfig_file,
                k8s_client_batch_api=self._api_client.batch_api,
                k8s_client_core_api=self._api_client.core_api,
                enable_owner_references=True,
            ),
            jobs=self._jobs_with({RUN_LABEL: run.run_id, COMPONENT_LABEL: STEP_WORKER}),
        )

    def jobs(self) -> Jobs:
        """Return the Jobs of all runs and of their steps, those of this installation."""
        return self._jobs_with(self.labels)

    def pod_maker(self, run_id: str) -> PodMaker:
        """Return how the run of a batch makes pods for components; called in the run's pod."""
        if self._components is None:
            raise Unavailable(
                "This installation makes no pods for components: set `components.enabled` in the chart's values."
            )
        core = self._api_client.core_api
        own = core.read_namespaced_pod(os.environ["HOSTNAME"], self.job_namespace)
        return PodMaker(
            pods=ClusterPods(core, self.job_namespace),
            rules=self._components.rules(
                namespace=self.job_namespace,
                labels=component_labels(self.labels) | {RUN_LABEL: run_id},
                image=own.spec.containers[0].image,
                pull_policy=self.image_pull_policy,
                pull_secrets=[secret["name"] for secret in self.image_pull_secrets],
            ),
            owner=own_reference(own),
            api_server=self._components.api_server(os.environ),
        )

    def component_pods(self) -> BarePods:
        """Return the pods of components of all runs, those of this installation."""
        return BarePods(self._api_client.core_api, namespace=self.job_namespace, labels=component_labels(self.labels))

    def _jobs_with(self, labels: Mapping[str, str]) -> Jobs:
        api = self._api_client
        return Jobs(api.batch_api, api.core_api, namespace=self.job_namespace, labels=labels)

    def _config_of_step(self, pool: str) -> dict[str, Any]:
        config = self._stages.get(pool, Needs()).k8s_config()
        config["pod_spec_config"] |= {
            "automount_service_account_token": False,
            "termination_grace_period_seconds": _STEP_GRACE_S,
        }
        labels = {"labels": {STAGE_LABEL: pool}}
        return {**config, "pod_template_spec_metadata": labels, "job_metadata": labels}

    def _context(self, run: dg.DagsterRun, config: Mapping[str, Any]) -> K8sContainerContext:
        """Return what all runs have, what this one needs over it, and what the run's tag says over both."""
        common = K8sContainerContext.create_for_run(run, self, include_run_tags=False)
        own = K8sContainerContext(run_k8s_config=UserDefinedDagsterK8sConfig.from_dict(config))  # type: ignore[no-untyped-call]
        of_tag = K8sContainerContext(run_k8s_config=get_user_defined_k8s_config(run.tags))
        return common.merge(own).merge(of_tag)

    def _resources_of_all(self) -> Resources:
        container: Any = self.run_k8s_config.get("container_config", {})
        given = container.get("resources", {})
        return Resources(requests=given.get("requests", {}), limits=given.get("limits", {}))


def _stages_in_pod(run: dg.DagsterRun, *, is_large: bool) -> list[str]:
    """Return the stages that a run does in its own pod, in order."""
    line = line_of(run)
    if line in _OF_PIPELINES:
        return [INSPECTION]
    if line is RunLine.UPKEEP or is_large:
        return []
    selected = {key.path[-1] for key in run.asset_selection or ()} & {layer.value for layer in Layer}
    return [stage for layer, stage in POOL_OF_LAYER.items() if not selected or layer.value in selected]
