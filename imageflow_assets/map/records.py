"""What Dagster itself keeps of a survey: its partition and its runs."""

import dagster as dg

from imageflow_assets.map.partitions import SURVEYS
from imageflow_assets.runs import ALIVE
from imageflow_clients.database.core import heartbeats
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import Conflict
from imageflow_domain.survey import Survey
from imageflow_surveys import states
from imageflow_surveys.remove import remove_survey
from imageflow_surveys.runs import PARTITION_TAG
from imageflow_surveys.values import forget_values_of

_TAGS = (PARTITION_TAG, "imageflow/survey")
"""Those that name a run's survey: now, and in runs of version 0.4."""


def delete_survey(instance: dg.DagsterInstance, stores: Stores, survey: Survey) -> None:
    """Delete what Dagster keeps of a survey, then the survey; the errors are `remove_survey`'s.

    In this order, so that where it is broken off the survey is still there to be deleted again.

    Raises:
        Conflict: A run is at work on the survey; nothing is deleted.
    """
    runs = [run for tag in _TAGS for run in instance.get_runs(dg.RunsFilter(tags={tag: survey.id}))]
    with stores.database.begin() as connection:
        states.check_idle(connection, rows.get(connection, survey.id))
        for run in runs:
            silent_s = heartbeats.silent_for_s(connection, run.run_id)
            if run.status in ALIVE and silent_s is not None and silent_s < states.SILENCE_S:
                raise Conflict(
                    f"Run {run.run_id} is at work on '{survey.id}': wait for its end, or cancel it in Dagster."
                )
    forget_values_of(stores, [run.run_id for run in runs])
    for run in runs:
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        instance.delete_run(run.run_id)
    instance.delete_dynamic_partition(str(SURVEYS.name), survey.id)
    remove_survey(stores, survey)
