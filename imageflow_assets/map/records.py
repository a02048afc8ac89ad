"""What Dagster itself keeps of a survey: its partition and its runs."""

import dagster as dg

from imageflow_assets.map.partitions import SURVEYS
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Survey
from imageflow_surveys.remove import remove_survey
from imageflow_surveys.runs import SURVEY_TAG

_BATCH = 100


def delete_survey(instance: dg.DagsterInstance, stores: Stores, survey: Survey) -> None:
    """Delete a survey from our stores, then what Dagster keeps of it; the errors are `remove_survey`'s."""
    remove_survey(stores, survey)
    instance.delete_dynamic_partition(str(SURVEYS.name), survey.id)
    while runs := instance.get_runs(dg.RunsFilter(tags={SURVEY_TAG: survey.id}), limit=_BATCH):
        for run in runs:
            instance.delete_run(run.run_id)
