"""The job that makes a map without the rest of the code location, whose import takes a quarter of a second."""

import dagster as dg

from imageflow_assets.assembly import assemble
from imageflow_assets.map.assets import ASSETS
from imageflow_assets.map.jobs import map_of_survey
from imageflow_surveys.runs import MAP_JOB


def map_job() -> dg.JobDefinition:
    """Return the code location's job of a map, for a process that executes it itself."""
    return assemble(assets=ASSETS, jobs=[map_of_survey]).resolve_job_def(MAP_JOB)
