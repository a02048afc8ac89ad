"""Carry one survey by the next step: what Dagster knows of its runs decides whether to ask, wait or give up.

What is missing is read from our own rows; Dagster is only asked whether a run lives.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from imageflow_assets.map.assets import BY_LAYER
from imageflow_assets.map.partitions import SURVEYS, ranges
from imageflow_clients.database import heartbeats, layers
from imageflow_clients.stores import Stores
from imageflow_domain.survey import BLOCK_LAYERS, Carrier, Step, Survey
from imageflow_surveys import carry
from imageflow_surveys.carry import SILENCE_S
from imageflow_surveys.next_step import next_step

SURVEY_TAG = "imageflow/survey"
LAYER_TAG = "imageflow/layer"
ATTEMPT_TAG = "imageflow/attempt"

FIRST_SIGN_S = 60.0
"""So long may a new run's worker, or a new survey's carrier, take to give its first sign."""

_ALIVE = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
    dg.DagsterRunStatus.QUEUED,
]
_LAUNCHED = [status for status in _ALIVE if status is not dg.DagsterRunStatus.QUEUED]
"""A queue may hold a run for as long as it likes; from then on it has a worker."""

_MAX_RUNS = 200


def fail_dead_runs(instance: dg.DagsterInstance, stores: Stores) -> tuple[str, ...]:
    """Fail every unfinished run whose worker is dead, and return their ids.

    Dagster's default launcher does not notice when worker and code server die together.
    """
    dead = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=_LAUNCHED)):
        run = record.dagster_run
        with stores.database.begin() as connection:
            silent_s = heartbeats.silent_for_s(connection, run.run_id)
            age_s = heartbeats.age_s(connection, record.create_timestamp.timestamp())
        silence_s, allowed_s = (age_s, FIRST_SIGN_S) if silent_s is None else (silent_s, SILENCE_S)
        if silence_s > allowed_s:
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            instance.report_run_failed(run, f"Its worker has given no sign of life for {silence_s:.0f} s: it is dead.")
            dead.append(run.run_id)
    return tuple(dead)


def carry_on(instance: dg.DagsterInstance, stores: Stores, survey: Survey) -> Iterator[dg.RunRequest]:
    """Yield the runs that a survey carried by the sensor needs now; finish it, or give it up, where that is due."""
    if not instance.has_dynamic_partition(str(SURVEYS.name), survey.id):
        instance.add_dynamic_partitions(str(SURVEYS.name), [survey.id])
    with stores.database.begin() as connection:
        step = next_step(layers.progress(connection, survey.id))
    if step is None:
        carry.finish(stores, survey)
        return
    runs = instance.get_runs(dg.RunsFilter(tags={SURVEY_TAG: survey.id, LAYER_TAG: step.layer}), limit=_MAX_RUNS)
    if any(run.status in _ALIVE for run in runs):
        return
    for run in _unsuccessful(runs):
        if run.status is dg.DagsterRunStatus.CANCELED:
            carry.cancel(stores, survey, f"Run {run.run_id} of {step.layer} was cancelled in Dagster.")
            return
        reason = _why(instance, run)
        if carry.note_failure(stores, survey, step.layer, reason, run.run_id):
            return
    yield from requests(survey, step, attempt=len(runs))


def _unsuccessful(runs: Sequence[dg.DagsterRun]) -> Iterator[dg.DagsterRun]:
    """Yield for each attempt that left its layer unfinished, oldest first, the run that speaks for it.

    An attempt is one run for each range of blocks: where several of them fail, that is one failure. An attempt that
    succeeded counts only as the last one: what an earlier one made may have been asked for again since.

    Args:
        runs: All runs of one layer, newest first, none alive.
    """
    attempts: dict[str, list[dg.DagsterRun]] = {}
    for run in reversed(runs):
        attempts.setdefault(run.tags.get(ATTEMPT_TAG, ""), []).append(run)
    for number, attempt in enumerate(attempts.values(), start=1):
        by_status = {run.status: run for run in reversed(attempt)}
        worst = by_status.get(dg.DagsterRunStatus.CANCELED) or by_status.get(dg.DagsterRunStatus.FAILURE)
        if worst is not None:
            yield worst
        elif number == len(attempts):
            yield attempt[-1]


def requests(survey: Survey, step: Step, attempt: int) -> Iterator[dg.RunRequest]:
    """Yield one run for each contiguous range of the step's blocks, or one for a layer of whole surveys.

    Args:
        attempt: How many runs of this layer there were before: it makes the run keys new.
    """
    tags = {**run_tags(survey, step), ATTEMPT_TAG: str(attempt + 1)}
    assets = [BY_LAYER[step.layer].key]
    if step.layer not in BLOCK_LAYERS:
        yield dg.RunRequest(
            run_key=f"{survey.id}/{step.layer}/{attempt}", partition_key=survey.id, asset_selection=assets, tags=tags
        )
        return
    for span in ranges(survey.id, step.blocks):
        yield dg.RunRequest(
            run_key=f"{survey.id}/{step.layer}/{span.first.key}-{span.last.key}/{attempt}",
            asset_selection=assets,
            tags={**tags, **span.tags},
        )


def run_tags(survey: Survey, step: Step) -> dict[str, str]:
    """Return the tags by which a carrier finds its runs again; Dagster itself shall not repeat them."""
    return {SURVEY_TAG: survey.id, LAYER_TAG: step.layer.value, "dagster/max_retries": "0"}


def settle_stalled(stores: Stores, survey: Survey) -> bool:
    """Give up a survey whose command line has gone; return whether it was."""
    if survey.carrier is not Carrier.COMMAND_LINE:
        return False
    with stores.database.begin() as connection:
        silent_s = heartbeats.silent_for_s(connection, carry.carrier_name(survey.id))
        age_s = heartbeats.age_s(connection, survey.created_at.timestamp())
    silence_s, allowed_s = (age_s, FIRST_SIGN_S) if silent_s is None else (silent_s, SILENCE_S)
    if silence_s <= allowed_s:
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


def _why(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Return in words why a run that has ended left its layer unfinished."""
    if run.status is not dg.DagsterRunStatus.FAILURE:
        return f"Run {run.run_id} ended without making everything that it was asked for."
    failures = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    for entry in failures:
        event = entry.dagster_event
        if event is not None and event.step_failure_data.user_failure_data is not None:
            return event.step_failure_data.user_failure_data.description or "The step failed."
        if event is not None and event.step_failure_data.error is not None:
            return event.step_failure_data.error.message.strip().splitlines()[-1]
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE):
        return entry.user_message or entry.message
    return f"Run {run.run_id} failed."
