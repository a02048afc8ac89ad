"""Carry one survey by the next step: what Dagster knows of its runs decides whether to ask, wait or give up.

What is missing is read from our own rows; Dagster is only asked whether a run lives. A layer is done in attempts: runs
over a few blocks each, a few of them under way at a time. Once one of them leaves its part unfinished, the others are
waited for, that is one failed attempt, and what is missing by then is the next one.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from imageflow_assets.map.assets import BY_LAYER
from imageflow_assets.map.partitions import SURVEYS
from imageflow_assets.map.reports import report_untold
from imageflow_assets.map.silence import SilenceWatch
from imageflow_assets.runs import ALIVE, why_it_ended
from imageflow_clients.dagster import LOCATION
from imageflow_clients.database import heartbeats, jobs, layers
from imageflow_clients.database import surveys as rows
from imageflow_clients.database.jobs import Job
from imageflow_clients.stores import Stores
from imageflow_domain.survey import BLOCK_LAYERS, Carrier, Step, Survey, SurveyState
from imageflow_resources.pools import slots_of
from imageflow_surveys import carry
from imageflow_surveys.carry import SILENCE_S
from imageflow_surveys.jobs import LAUNCH_S
from imageflow_surveys.next_step import next_step
from imageflow_surveys.runs import ATTEMPT_TAG, SURVEY_TAG, Run, blocks_of, layers_of, runs_of

FIRST_SIGN_S = 120.0
"""So long may a new run's worker, or a new survey's carrier, take to give its first sign."""

_WAITING = 1
"""Runs of a layer that are under way beyond its pool's slots: their workers start while others work."""

_LAUNCHED = [status for status in ALIVE if status is not dg.DagsterRunStatus.QUEUED]
"""A queue may hold a run for as long as it likes; from then on it has a worker."""

_STOPPABLE = [status for status in ALIVE if status is not dg.DagsterRunStatus.CANCELING]

_MAX_RUNS = 400


def rebuild_partitions(instance: dg.DagsterInstance, stores: Stores) -> int:
    """Add a partition for every survey that Dagster does not know, as after it lost its storage; return how many.

    Partitions without a survey are left alone.
    """
    name = str(SURVEYS.name)
    with stores.database.begin() as connection:
        ours = rows.names(connection)
    missing = sorted(set(ours) - set(instance.get_dynamic_partitions(name)))
    if missing:
        instance.add_dynamic_partitions(name, missing)
    return len(missing)


def fail_dead_runs(instance: dg.DagsterInstance, stores: Stores, watch: SilenceWatch) -> tuple[str, ...]:
    """Fail every unfinished run of ours whose worker is dead by what the watch heard so far, and return their ids.

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
        silence_s, allowed_s = (age_s, FIRST_SIGN_S) if silent_s is None else (silent_s, SILENCE_S)
        if watch.is_dead(run.run_id, silence_s, allowed_s):
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            instance.report_run_failed(run, f"Its worker has given no sign of life for {silence_s:.0f} s: it is dead.")
            dead.append(run.run_id)
    return tuple(dead)


def _is_to_beat(run: dg.DagsterRun) -> bool:
    """Whether a run's worker will beat once it works: it does so in all of our jobs, and in nobody else's."""
    origin = run.remote_job_origin
    # the command line's runs have no origin
    return SURVEY_TAG in run.tags if origin is None else origin.location_name == LOCATION


def stop_cancelled_runs(instance: dg.DagsterInstance, stores: Stores) -> tuple[str, ...]:
    """Stop every run of a survey that was cancelled, and return their ids.

    Whoever cancelled it stops them too, unless Dagster was down, or a run was launched at that very moment.
    """
    by_survey: dict[str, list[dg.DagsterRun]] = {}
    for run in instance.get_runs(dg.RunsFilter(statuses=_STOPPABLE)):
        if SURVEY_TAG in run.tags:
            by_survey.setdefault(run.tags[SURVEY_TAG], []).append(run)
    with stores.database.begin() as connection:
        cancelled = rows.names(connection, of=by_survey.keys(), state=SurveyState.CANCELLED)
    stopped = [run.run_id for survey in cancelled for run in by_survey[survey]]
    for run_id in stopped:
        instance.run_coordinator.cancel_run(run_id)
    return tuple(stopped)


def carry_on(instance: dg.DagsterInstance, stores: Stores, survey: Survey) -> Iterator[dg.RunRequest]:
    """Yield the runs that a survey carried by the sensor needs now; finish it, or give it up, where that is due."""
    if survey.state is SurveyState.PLANNED and not _is_left_to_us(stores, survey):
        return
    if not instance.has_dynamic_partition(str(SURVEYS.name), survey.id):
        instance.add_dynamic_partitions(str(SURVEYS.name), [survey.id])
    step = _next_step(stores, survey)
    with stores.database.begin() as connection:
        taken_up_at = carry.taken_up_at(connection, survey.id)
        job = jobs.find_of_survey(connection, survey.id)
    if job is not None and job.dag_run_id is None:
        _note_first_run(instance, stores, survey, job)
    if step is None:
        _finish(instance, stores, survey)
        return
    records = _records(instance, survey, step)
    # Rows are read again: a run that ended in between has done its part of them, or never will.
    layer, step = step.layer, _next_step(stores, survey)
    if step is None or step.layer is not layer:
        return
    runs = [record.dagster_run for record in records]
    alive = [run for run in runs if run.status in ALIVE]
    attempt = max((_attempt(run) for run in runs), default=0)
    # A run from before the survey was taken up again says nothing of it, cancelled or failed as it may be.
    ours = [r.dagster_run for r in records if taken_up_at is None or r.create_timestamp >= taken_up_at]
    current = [run for run in ours if _attempt(run) == attempt]
    spoiled = _worst([run for run in current if run not in alive and _left_undone(run, step)])
    if alive and (spoiled or step.layer not in BLOCK_LAYERS):
        return
    if spoiled is not None:
        if spoiled.status is dg.DagsterRunStatus.CANCELED:
            carry.cancel(stores, survey, f"Run {spoiled.run_id} of {step.layer} was cancelled in Dagster.")
            return
        if carry.note_failure(stores, survey, step.layer, why_it_ended(instance, spoiled), spoiled.run_id):
            return
    if spoiled is not None or not current:
        attempt += 1
    at_once = slots_of(instance, step.layer)
    busy = {block for run in alive for block in blocks_of(run.tags)}
    for run in runs_of(survey, step, at_once=at_once, busy=busy)[: max(0, at_once + _WAITING - len(alive))]:
        yield _request(run, attempt, job=job.id if job else None)


def _next_step(stores: Stores, survey: Survey) -> Step | None:
    with stores.database.begin() as connection:
        return next_step(layers.progress(connection, survey.id))


def _finish(instance: dg.DagsterInstance, stores: Stores, survey: Survey) -> None:
    """Note that a survey is whole; where a run of it failed, some of it may not have been reported."""
    failed = dg.RunsFilter(tags={SURVEY_TAG: survey.id}, statuses=[dg.DagsterRunStatus.FAILURE])
    if instance.get_run_ids(failed, limit=1):
        if instance.get_run_ids(dg.RunsFilter(tags={SURVEY_TAG: survey.id}, statuses=ALIVE), limit=1):
            return
        report_untold(instance, survey)
    carry.finish(stores, survey)


def _is_left_to_us(stores: Stores, survey: Survey) -> bool:
    """Begin a planned survey that whoever planned it did not begin: Dagster was down, or he died."""
    with stores.database.begin() as connection:
        age_s = heartbeats.age_s(connection, survey.created_at.timestamp())
    return age_s > LAUNCH_S and carry.begin(stores, survey.id)


def _note_first_run(instance: dg.DagsterInstance, stores: Stores, survey: Survey, job: Job) -> None:
    """Note the first run of a job that nobody but the sensor launched, once there is one."""
    first = instance.get_run_records(dg.RunsFilter(tags={SURVEY_TAG: survey.id}), limit=1, ascending=True)
    for record in first:
        with stores.database.begin() as connection:
            jobs.note_run(connection, job, record.dagster_run.run_id)


def _records(instance: dg.DagsterInstance, survey: Survey, step: Step) -> list[dg.RunRecord]:
    """Return the runs of a survey that were to make the step's layer, newest first."""
    found = instance.get_run_records(dg.RunsFilter(tags={SURVEY_TAG: survey.id}), limit=_MAX_RUNS)
    return [record for record in found if step.layer in layers_of(record.dagster_run.tags)]


def _attempt(run: dg.DagsterRun) -> int:
    return int(run.tags.get(ATTEMPT_TAG, "0"))


def _left_undone(run: dg.DagsterRun, step: Step) -> bool:
    """Whether a run that has ended did not do its part of a step; one that a person cancelled never did."""
    blocks = blocks_of(run.tags)
    return (
        run.status is dg.DagsterRunStatus.CANCELED
        or not blocks
        or not step.blocks
        or not set(step.blocks).isdisjoint(blocks)
    )


def _worst(runs: Sequence[dg.DagsterRun]) -> dg.DagsterRun | None:
    """Return the run that speaks for a failed attempt."""
    by_status = {run.status: run for run in runs}
    order = (dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS)
    return next((by_status[status] for status in order if status in by_status), None)


def _request(run: Run, attempt: int, *, job: int | None) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=run.key(attempt),
        partition_key=None if run.blocks else run.survey,
        asset_selection=[BY_LAYER[layer].key for layer in run.layers],
        tags={**run.tags(job), ATTEMPT_TAG: str(attempt)},
    )


def settle_stalled(stores: Stores, survey: Survey, watch: SilenceWatch) -> bool:
    """Give up a survey whose command line has gone; return whether it was."""
    if survey.carrier is not Carrier.COMMAND_LINE:
        return False
    name = carry.carrier_name(survey.id)
    with stores.database.begin() as connection:
        silent_s = heartbeats.silent_for_s(connection, name)
        age_s = heartbeats.age_s(connection, survey.created_at.timestamp())
    silence_s, allowed_s = (age_s, FIRST_SIGN_S) if silent_s is None else (silent_s, SILENCE_S)
    if not watch.is_dead(name, silence_s, allowed_s):
        return False
    carry.give_up(
        stores,
        survey,
        f"The command line that carried it ended {silence_s:.0f} s ago: `imageflow survey resume {survey.id}` goes on.",
    )
    return True


def settle_operators(stores: Stores, survey: Survey) -> None:
    """Bring the state of a survey that a person carries in line with what it has."""
    with stores.database.begin() as connection:
        progress = layers.progress(connection, survey.id)
    carry.settle_operators(stores, survey, begun=progress.tasks_done > 0, done=next_step(progress) is None)
