"""Everything that Dagster loads. `build_defs` is the seam for tests: it takes other resources."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from imageflow_assets.executor import by_size_executor
from imageflow_assets.failed_runs import alert_failed_runs
from imageflow_assets.inspection.assets import ASSETS as INSPECTION
from imageflow_assets.inspection.jobs import reinspect_job
from imageflow_assets.inspection.sensors import SENSORS
from imageflow_assets.map.assets import ASSETS as MAP
from imageflow_assets.map.jobs import JOBS
from imageflow_assets.map.sensors import notice_map_uploads, request_surveys
from imageflow_assets.map.silence import SilenceWatch
from imageflow_assets.map.upkeep import keep_in_order_job, nightly
from imageflow_clients.settings import Settings
from imageflow_resources.configured import configured_resources
from imageflow_resources.values import kept_values
from imageflow_surveys.runs import MAP_JOB


def build_defs(resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Return all definitions, with the given resources in place of those that the environment configures."""
    return dg.Definitions(
        assets=[*MAP, *INSPECTION],
        jobs=[*JOBS, keep_in_order_job, reinspect_job],
        schedules=[nightly],
        sensors=[request_surveys, notice_map_uploads, *SENSORS, alert_failed_runs],
        resources=configured_resources(
            Settings(), {"silence_watch": SilenceWatch(), "io_manager": kept_values, **(resources or {})}
        ),
        executor=by_size_executor,
    )


defs = build_defs()


def map_job() -> dg.JobDefinition:
    """Return the job that makes a map, for a process that executes it itself."""
    return build_defs().resolve_job_def(MAP_JOB)
