"""What all runs share: settings, resources, the storage of values between steps, and the executor.

A process that loads definitions belongs to Dagster or executes a run itself: its settings are read here.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from imageflow_assets.executor import by_size_executor
from imageflow_assets.silence import SilenceWatch
from imageflow_assets.values import step_values
from imageflow_clients.settings import Settings
from imageflow_resources.configured import configured_resources


def assemble(
    *,
    assets: Iterable[dg.AssetSpec | dg.AssetsDefinition],
    jobs: Iterable[dg.JobDefinition | UnresolvedAssetJobDefinition],
    schedules: Iterable[dg.ScheduleDefinition] = (),
    sensors: Iterable[dg.SensorDefinition] = (),
    resources: Mapping[str, Any] | None = None,
) -> dg.Definitions:
    """Return definitions with the given resources in place of those that the environment configures."""
    settings = Settings()
    ours = {
        "settings": dg.ResourceDefinition.hardcoded_resource(settings, "What the environment of this process says."),
        "silence_watch": SilenceWatch(),
        "io_manager": step_values,
    }
    return dg.Definitions(
        assets=[*assets],
        jobs=[*jobs],
        schedules=[*schedules],
        sensors=[*sensors],
        resources=configured_resources(settings, {**ours, **(resources or {})}),
        executor=by_size_executor(settings),
    )
