"""What Dagster itself keeps of a survey: its partition and its runs."""

import dagster as dg

from imageflow_assets.map.partitions import SURVEYS
from imageflow_clients.database import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Survey
from imageflow_surveys import carry
from imageflow_surveys.remove import remove_survey
from imageflow_surveys.runs import ALL_BLOCKS, RANGE_TAGS, SURVEY_TAG, partition_key, surveys_of_range

_BATCH = 100
_TAGS = (SURVEY_TAG, "dagster/partition", "dagster/partition/survey")
"""Those that a run bears: ours, and Dagster's own where a person launched it."""


def delete_survey(instance: dg.DagsterInstance, stores: Stores, survey: Survey) -> None:
    """Delete what Dagster keeps of a survey, then the survey; the errors are `remove_survey`'s.

    In this order, so that where it is broken off the survey is still there to be deleted again.
    """
    with stores.database.begin() as connection:
        carry.check_not_carried(connection, rows.get(connection, survey.id))
    for tag in _TAGS:
        while runs := instance.get_runs(dg.RunsFilter(tags={tag: survey.id}), limit=_BATCH):
            for run in runs:
                instance.delete_run(run.run_id)
    _delete_runs_over_ranges(instance, survey)
    instance.delete_dynamic_partition(str(SURVEYS.name), survey.id)
    remove_survey(stores, survey)


def _delete_runs_over_ranges(instance: dg.DagsterInstance, survey: Survey) -> None:
    """Delete the runs that a person launched over a range which ends in this survey, and in no other that is left."""
    left = set(instance.get_dynamic_partitions(str(SURVEYS.name))) - {survey.id}
    keys = [survey.id, *(partition_key(survey.id, block) for block in ALL_BLOCKS)]
    for tag in RANGE_TAGS:
        for run in instance.get_runs(dg.RunsFilter(tags={tag: keys})):
            if left.isdisjoint(surveys_of_range(run.tags)):
                instance.delete_run(run.run_id)
