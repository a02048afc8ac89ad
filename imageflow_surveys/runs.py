"""The run that makes a survey: its job, its tags and its key. Pure.

The sensor, the gateway and the command line decide when to request it.
"""

from collections.abc import Mapping

PARTITION_TAG = "dagster/partition"
"""Dagster's own; the partition of a run of the map is the survey's id."""
JOB_TAG = "imageflow/job"
ONLY_MISSING_TAG = "imageflow/only_missing"
"""On a run that makes missing parts only, also where nothing is missing."""
REFUSED_TAG = "imageflow/refused"
"""On a run that had to stand back: another run was at work on its survey, or its survey was cancelled.

Its value is that run's id: Dagster copies tags to a run that repeats another one.
"""
SURVEYS_PARTITIONS = "surveys"
"""Name of Dagster's dynamic partitions, a survey each."""
MAP_JOB = "map_of_survey"
SENSOR = "request_surveys"
LAUNCH_S = 60.0
"""The sensor leaves a younger job to the process that accepted it: planning and launching take less than this."""


def tags_of(job: int | None = None) -> Mapping[str, str]:
    """Return the tags of a run that makes what a survey lacks, besides its partition.

    Args:
        job: Number of the job that began the survey, where one did.
    """
    return {ONLY_MISSING_TAG: "true"} | ({} if job is None else {JOB_TAG: str(job)})


def run_key(survey_id: str, after: str | None) -> str:
    """Name the run that follows another one, so that it is never requested twice.

    Args:
        after: The survey's newest run, with any result; `None` for its first.
    """
    return f"{survey_id}/{'first' if after is None else f'after-{after}'}"
