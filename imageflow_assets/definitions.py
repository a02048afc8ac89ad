"""Everything that Dagster loads. `build_defs` is the seam for tests: it takes other resources."""

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

# Partitioned checks and mappings between survey and block are marked as beta; the pinned version is tested.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

from imageflow_assets.map.assets import BY_LAYER  # noqa: E402 - after the filters
from imageflow_assets.map.checks import CHECKS  # noqa: E402
from imageflow_assets.map.jobs import plan_survey_job  # noqa: E402
from imageflow_assets.map.sensors import advance_surveys, notice_map_uploads  # noqa: E402
from imageflow_resources.stores import StoresResource  # noqa: E402


def build_defs(resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Return all definitions, with the given resources in place of the configured ones."""
    return dg.Definitions(
        assets=list(BY_LAYER.values()),
        asset_checks=list(CHECKS),
        jobs=[plan_survey_job],
        sensors=[advance_surveys, notice_map_uploads],
        resources={"stores": StoresResource(), **(resources or {})},
        executor=dg.in_process_executor,
    )


defs = build_defs()
