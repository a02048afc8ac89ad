"""Request the runs that planned and uploaded surveys need, and settle the state of each survey whose run has ended."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from imageflow_assets.map.partitions import SURVEYS
from imageflow_assets.map.states import report_state
from imageflow_assets.run_alerts import alert_of
from imageflow_assets.runs import end_of, failed_step, runs_by_tag, why_it_ended, will_be_retried
from imageflow_assets.waiting import add_missing, with_partitions
from imageflow_clients.database.core import heartbeats
from imageflow_clients.database.maps import jobs, layers, leases
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.database.maps.leases import Lease
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Carrier, Layer, Survey, SurveyState
from imageflow_domain.work import Action, End, WorkRun
from imageflow_surveys import states
from imageflow_surveys.lease import done
from imageflow_surveys.next_step import next_step
from imageflow_surveys.runs import LAUNCH_S, MAP_JOB, PARTITION_TAG, REFUSED_TAG, run_key, tags_of
from imageflow_surveys.settling import Settle, decide

_REPEATED_WITHIN = timedelta(minutes=2)
"""So long after a worker crashed Dagster may take to repeat its run."""


def rebuild_partitions(instance: dg.DagsterInstance, stores: Stores) -> int:
    """Add a partition for every survey that Dagster does not know, as after it lost its storage; return how many.

    Partitions without a survey are left alone.
    """
    with stores.database.begin() as connection:
        ours = rows.names(connection)
    return add_missing(instance, SURVEYS, ours)


def advance(
    instance: dg.DagsterInstance, stores: Stores, settings: Settings
) -> tuple[int, tuple[dg.RunRequest, ...], tuple[Survey, ...]]:
    """Settle every survey whose run has ended, and report its state to Dagster.

    Returns:
        How many surveys are under way, the runs that some of them need, and the surveys whose state changed.
    """
    with stores.database.begin() as connection:
        surveys = rows.find(connection, states=(SurveyState.PLANNED, SurveyState.RUNNING), limit=None)
    # Runs are asked for before rows are read again: a run that had ended by then has done its part of them.
    runs = runs_by_tag(instance, PARTITION_TAG, {survey.id for survey in surveys})
    requests: list[dg.RunRequest] = []
    changed: list[Survey] = []
    for survey in surveys:
        of_survey = runs.get(survey.id, ())
        if not of_survey and survey.carrier is not Carrier.SENSOR:
            continue  # its person has yet to begin
        if of_survey:
            with stores.database.begin() as connection:
                jobs.note_run(connection, survey.id, of_survey[-1].dagster_run.run_id)
        if any(end_of(record.dagster_run) is None for record in of_survey):
            continue
        request = settle(instance, stores, settings, survey.id, of_survey)
        if request is not None:
            requests.append(request)
        changed += _reported(instance, stores, survey)
    return len(surveys), with_partitions(instance, SURVEYS, requests), tuple(changed)


def settle(
    instance: dg.DagsterInstance, stores: Stores, settings: Settings, survey_id: str, runs: Sequence[dg.RunRecord]
) -> dg.RunRequest | None:
    """Settle one survey by its runs, newest first, of which none is alive; or return the run that it needs."""
    with stores.database.begin() as connection:
        if not rows.exists(connection, survey_id):
            return None
        survey = rows.get(connection, survey_id)
        if survey.state not in (SurveyState.PLANNED, SurveyState.RUNNING):
            return None  # cancelled since
        lease = leases.find(connection, survey_id)
        progress = layers.progress(connection, survey_id)
        taken = layers.shots(connection, survey_id).visited
        job = jobs.find_of_survey(connection, survey_id)
        age_s = heartbeats.age_s(connection, survey.created_at.timestamp())
    if lease is not None and _is_at_work(instance, lease, runs):
        return None
    last = _last_begun(runs, lease)
    run = None if last is None else _ended(instance, survey, last, lease)
    fruitless = progress.failures
    if run is not None and not (run.is_noted or run.retries or run.end is End.CANCELLED):
        moved = lease is not None and lease.run_id == run.id and lease.done_before != done(progress, taken)
        if run.end is End.FAILED or next_step(progress) is not None:
            layer = failed_step(instance, run.id) or Layer.SCREENSHOTS
            fruitless = states.note_failure(stores, survey, Layer(layer), run.why, run.id, progress=moved)
    launching = job is not None and job.dag_run_id is None and age_s < LAUNCH_S
    match decide(survey, progress, run, fruitless=fruitless, launching=launching):
        case Action.REQUEST:
            return dg.RunRequest(
                run_key=run_key(survey_id, runs[0].dagster_run.run_id if runs else None),
                job_name=MAP_JOB,
                partition_key=survey_id,
                tags=tags_of(None if job is None else job.id),
            )
        case Settle(state=state, reason=reason):
            if state is SurveyState.FAILED and survey.carrier is Carrier.SENSOR and last is not None:
                # before the state is set: after a crash between the two, the next tick raises the alert again
                alert_of(stores, settings, last.dagster_run, str(reason))
            states.settle(stores, survey, lease, None if run is None else run.id, state, reason)
    return None


def _reported(instance: dg.DagsterInstance, stores: Stores, before: Survey) -> tuple[Survey, ...]:
    """Report a survey's state where it changed; return the survey then."""
    with stores.database.begin() as connection:
        if not rows.exists(connection, before.id):
            return ()
        now = rows.get(connection, before.id)
    if (now.state, now.reason) == (before.state, before.reason):
        return ()
    report_state(instance, now)
    return (now,)


def _is_at_work(instance: dg.DagsterInstance, lease: Lease, runs: Sequence[dg.RunRecord]) -> bool:
    """Whether a run that began since the runs were asked for has the survey."""
    if any(record.dagster_run.run_id == lease.run_id for record in runs):
        return False
    run = instance.get_run_by_id(lease.run_id)
    return run is not None and not run.is_finished


def _last_begun(runs: Sequence[dg.RunRecord], lease: Lease | None) -> dg.RunRecord | None:
    """Return the run that began last, of those that did not have to stand back."""
    holder = None if lease is None else lease.run_id
    begun = [
        record
        for record in runs
        if (run := record.dagster_run).run_id == holder or run.tags.get(REFUSED_TAG) != run.run_id
    ]
    return max(begun, key=lambda record: _began_at(record, lease), default=None)


def _began_at(record: dg.RunRecord, lease: Lease | None) -> datetime:
    # a run may wait in the queue while others come and go
    taken_at = lease.taken_at if lease is not None and record.dagster_run.run_id == lease.run_id else None
    return taken_at or record.create_timestamp


def _ended(instance: dg.DagsterInstance, survey: Survey, record: dg.RunRecord, lease: Lease | None) -> WorkRun:
    run = record.dagster_run
    is_former = survey.taken_up_at is not None and _began_at(record, lease) < survey.taken_up_at
    is_noted = is_former or run.run_id == survey.settled_run_id
    ended_at = datetime.fromtimestamp(record.end_time, UTC) if record.end_time else datetime.now(UTC)
    is_fresh = datetime.now(UTC) - ended_at < _REPEATED_WITHIN
    return WorkRun(
        id=run.run_id,
        end=end_of(run),
        retries=is_fresh and will_be_retried(instance, run),
        why="" if is_noted else why_it_ended(instance, run),
        is_noted=is_noted,
    )
