"""Runs whose worker is dead, and runs of cancelled surveys: Dagster ends neither by itself."""

import dagster as dg

from imageflow_assets.runs import ALIVE
from imageflow_assets.silence import SilenceWatch
from imageflow_clients.dagster import LOCATION
from imageflow_clients.database.core import heartbeats
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.survey import SurveyState
from imageflow_surveys.runs import ONLY_MISSING_TAG, PARTITION_TAG
from imageflow_surveys.states import SILENCE_S

FIRST_SIGN_S = 120.0
"""How long a new run's worker may take to send its first heartbeat."""

_LAUNCHED = [status for status in ALIVE if status is not dg.DagsterRunStatus.QUEUED]
"""A queue may hold a run for as long as it likes; from then on it has a worker."""

_STOPPABLE = [status for status in ALIVE if status is not dg.DagsterRunStatus.CANCELING]


def fail_dead_runs(instance: dg.DagsterInstance, stores: Stores, watch: SilenceWatch) -> tuple[str, ...]:
    """End our unfinished runs whose worker the watch finds dead, and return their ids.

    Such a run fails, and Dagster may repeat it; a cancelled run ends as cancelled.
    Dagster's default launcher does not notice when worker and code server die together. Runs of other code, whose
    workers never beat, are left alone.
    """
    dead = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=_LAUNCHED)):
        run = record.dagster_run
        with stores.database.begin() as connection:
            silent_s = heartbeats.silent_for_s(connection, run.run_id)
            if silent_s is None and not _is_to_beat(run):
                continue
            # since it was launched or started, whichever came last: how long it was queued says nothing of its worker
            age_s = heartbeats.age_s(connection, record.update_timestamp.timestamp())
        silence_s, allowed_s = (age_s, _first_sign_s(instance, run)) if silent_s is None else (silent_s, SILENCE_S)
        if watch.is_dead(run.run_id, silence_s, allowed_s):
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            why = f"Its worker has given no sign of life for {silence_s:.0f} s: it is dead."
            is_cancelled = run.status is dg.DagsterRunStatus.CANCELING
            (instance.report_run_canceled if is_cancelled else instance.report_run_failed)(run, why)
            dead.append(run.run_id)
    return tuple(dead)


def _first_sign_s(instance: dg.DagsterInstance, run: dg.DagsterRun) -> float:
    """Return how long a run's worker may take to its first heartbeat.

    The instance says so where a worker's start may take long: a pod may wait for a node.
    """
    if run.status is dg.DagsterRunStatus.STARTED:
        return FIRST_SIGN_S
    return float(instance.run_monitoring_settings.get("start_timeout_seconds", FIRST_SIGN_S))


def _is_to_beat(run: dg.DagsterRun) -> bool:
    """Whether a run's worker will beat once it works: workers of our jobs do, workers of other code do not."""
    origin = run.remote_job_origin
    # the command line's runs have no origin
    return ONLY_MISSING_TAG in run.tags if origin is None else origin.location_name == LOCATION


def stop_cancelled_runs(instance: dg.DagsterInstance, stores: Stores) -> tuple[str, ...]:
    """Stop every run of a survey that was cancelled after the run was created, and return their ids.

    The cancellation stops them itself, unless Dagster was down or a run was launched at that moment.
    """
    records = instance.get_run_records(dg.RunsFilter(statuses=_STOPPABLE))
    if not records:
        return ()
    partitions = {
        record.dagster_run.tags[PARTITION_TAG] for record in records if PARTITION_TAG in record.dagster_run.tags
    }
    with stores.database.begin() as connection:
        names = rows.names(connection, of=partitions, state=SurveyState.CANCELLED)
        cancelled = {name: rows.get(connection, name) for name in names}
    stopped = []
    for record in records:
        survey = cancelled.get(record.dagster_run.tags.get(PARTITION_TAG, ""))
        if survey is not None and survey.finished_at is not None and record.create_timestamp <= survey.finished_at:
            instance.run_coordinator.cancel_run(record.dagster_run.run_id)
            stopped.append(record.dagster_run.run_id)
    return tuple(stopped)
