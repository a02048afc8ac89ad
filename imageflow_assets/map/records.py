"""What Dagster itself keeps of a survey: its partition and its runs."""

from collections.abc import Iterable

import dagster as dg

from imageflow_assets.map.partitions import SURVEYS
from imageflow_assets.runs import ALIVE
from imageflow_clients.database import heartbeats
from imageflow_clients.database import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import Conflict
from imageflow_domain.survey import Survey
from imageflow_surveys import carry
from imageflow_surveys.remove import remove_survey
from imageflow_surveys.runs import ALL_BLOCKS, RANGE_TAGS, SURVEY_TAG, partition_key, survey_of_key, surveys_of_range
from imageflow_surveys.values import forget_values_of

_TAGS = (SURVEY_TAG, "dagster/partition", "dagster/partition/survey")
"""Those that a run bears: ours, and Dagster's own where a person launched it."""


def delete_survey(instance: dg.DagsterInstance, stores: Stores, survey: Survey) -> None:
    """Delete what Dagster keeps of a survey, then the survey; the errors are `remove_survey`'s.

    In this order, so that where it is broken off the survey is still there to be deleted again.

    Raises:
        Conflict: Somebody carries the survey, or a run that a person launched is at work on it; nothing is deleted.
    """
    runs = [*_runs_of(instance, survey), *_backfills_of(instance, survey)]
    with stores.database.begin() as connection:
        carry.check_not_carried(connection, rows.get(connection, survey.id))
        for run in runs:
            silent_s = heartbeats.silent_for_s(connection, run.run_id)
            if run.status in ALIVE and silent_s is not None and silent_s < carry.SILENCE_S:
                raise Conflict(
                    f"Run {run.run_id} is at work on '{survey.id}': wait for its end, or cancel it in Dagster."
                )
    forget_values_of(stores, [run.run_id for run in runs])
    for run in runs:
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        instance.delete_run(run.run_id)
    instance.delete_dynamic_partition(str(SURVEYS.name), survey.id)
    remove_survey(stores, survey)


def _runs_of(instance: dg.DagsterInstance, survey: Survey) -> Iterable[dg.DagsterRun]:
    found = {run.run_id: run for tag in _TAGS for run in instance.get_runs(dg.RunsFilter(tags={tag: survey.id}))}
    return found.values()


def _backfills_of(instance: dg.DagsterInstance, survey: Survey) -> Iterable[dg.DagsterRun]:
    """Return the runs over a range that begins or ends in this survey, and that say nothing of another that is left."""
    left = set(instance.get_dynamic_partitions(str(SURVEYS.name))) - {survey.id}
    keys = [survey.id, *(partition_key(survey.id, block) for block in ALL_BLOCKS)]
    found = {run.run_id: run for tag in RANGE_TAGS for run in instance.get_runs(dg.RunsFilter(tags={tag: keys}))}
    return [
        run
        for run in found.values()
        if SURVEY_TAG not in run.tags
        and left.isdisjoint(surveys_of_range(run.tags))
        and left.isdisjoint(_told_of(instance, run))
    ]


def _told_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> set[str]:
    """Return the surveys of which a run made something."""
    told = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    events = [entry.dagster_event for entry in told]
    return {survey_of_key(event.partition) for event in events if event is not None and event.partition is not None}
