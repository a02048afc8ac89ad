"""Everything that Dagster loads. `build_defs` is the seam for tests: it takes other resources."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from imageflow_assets.assembly import assemble
from imageflow_assets.failed_runs import alert_failed_runs
from imageflow_assets.inspection.assets import ASSETS as INSPECTION
from imageflow_assets.inspection.jobs import reinspect_job
from imageflow_assets.inspection.sensors import SENSORS
from imageflow_assets.lost_jobs import SENSORS as OF_CLUSTERS
from imageflow_assets.map.assets import ASSETS as MAP
from imageflow_assets.map.jobs import JOBS
from imageflow_assets.map.sensors import notice_map_uploads, request_surveys
from imageflow_assets.map.upkeep import keep_in_order_job, nightly
from imageflow_assets.pipelines.jobs import JOBS as OF_EXECUTIONS
from imageflow_assets.pipelines.sensors import execute_long_running
from imageflow_resources.run_workers import fork_run_workers


def build_defs(resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Return all definitions, with the given resources in place of those that the environment configures."""
    return assemble(
        assets=[*MAP, *INSPECTION],
        jobs=[*JOBS, keep_in_order_job, reinspect_job, *OF_EXECUTIONS],
        schedules=[nightly],
        sensors=[request_surveys, notice_map_uploads, *SENSORS, execute_long_running, alert_failed_runs, *OF_CLUSTERS],
        resources=resources,
    )


fork_run_workers()
defs = build_defs()
