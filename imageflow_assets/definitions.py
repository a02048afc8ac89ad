"""Everything that Dagster loads. `build_defs` is the seam for tests: it takes other resources."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from imageflow_assets.executor import by_size_executor
from imageflow_assets.inspection.assets import ASSETS
from imageflow_assets.inspection.jobs import reinspect_job
from imageflow_assets.inspection.sensors import SENSORS
from imageflow_assets.map.assets import BY_LAYER
from imageflow_assets.map.checks import CHECKS
from imageflow_assets.map.jobs import plan_survey_job
from imageflow_assets.map.sensors import advance_surveys, notice_map_uploads
from imageflow_assets.map.silence import SilenceWatch
from imageflow_assets.map.upkeep import keep_in_order_job, nightly
from imageflow_resources.inference import IsolationResource, ModelsResource
from imageflow_resources.stores import StoresResource
from imageflow_resources.values import kept_values


def build_defs(resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Return all definitions, with the given resources in place of the configured ones."""
    return dg.Definitions(
        assets=[*BY_LAYER.values(), *ASSETS],
        asset_checks=list(CHECKS),
        jobs=[plan_survey_job, keep_in_order_job, reinspect_job],
        schedules=[nightly],
        sensors=[advance_surveys, notice_map_uploads, *SENSORS],
        resources={
            "stores": StoresResource(),
            "io_manager": kept_values,
            "silence_watch": SilenceWatch(),
            "models": ModelsResource(),
            "isolation": IsolationResource(),
            **(resources or {}),
        },
        executor=by_size_executor,
    )


defs = build_defs()
