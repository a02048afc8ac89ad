"""Runs as Dagster keeps them: which are alive, how those of a tag ended, why, and whether they are retried."""

from collections.abc import Collection, Mapping
from datetime import datetime

import dagster as dg
from dagster._core.events import RunFailureReason
from dagster._core.execution.retries import auto_reexecution_should_retry_run
from dagster._core.storage.tags import RETRY_NUMBER_TAG, RUN_FAILURE_REASON_TAG, WILL_RETRY_TAG

from imageflow_assets.failures import ERROR, PICTURE
from imageflow_domain.errors import InvalidInput, NotFound
from imageflow_domain.work import End
from imageflow_surveys.runs import PARTITION_TAG

ALIVE = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
    dg.DagsterRunStatus.QUEUED,
]

_ENDS = {dg.DagsterRunStatus.SUCCESS: End.SUCCEEDED, dg.DagsterRunStatus.CANCELED: End.CANCELLED}


def runs_by_tag(
    instance: dg.DagsterInstance,
    tag: str,
    values: Collection[str],
    statuses: Collection[dg.DagsterRunStatus] | None = None,
) -> Mapping[str, tuple[dg.RunRecord, ...]]:
    """Return runs by the value of a tag, newest first; values that no run bears are left out.

    Args:
        instance: Queried once.
        tag: Its name.
        values: Those that are looked for.
        statuses: Only runs in one of them.
    """
    if not values:
        return {}
    wanted = dg.RunsFilter(tags={tag: sorted(values)}, statuses=None if statuses is None else list(statuses))
    found: dict[str, tuple[dg.RunRecord, ...]] = {}
    for record in instance.get_run_records(wanted):
        value = record.dagster_run.tags[tag]
        found[value] = (*found.get(value, ()), record)
    return found


def end_of(run: dg.DagsterRun) -> End | None:
    """Return how a run ended; `None` while it is alive."""
    return None if run.status in ALIVE else _ENDS.get(run.status, End.FAILED)


def at_work(instance: dg.DagsterInstance, partitions: Collection[str]) -> set[str]:
    """Return those of the partitions that a run works on, launched by any process."""
    return set(runs_by_tag(instance, PARTITION_TAG, partitions, ALIVE))


def failed_step(instance: dg.DagsterInstance, run_id: str) -> str | None:
    """Return the asset whose step failed first in a run; `None` where no step did."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        if entry.dagster_event is not None and entry.dagster_event.step_key is not None:
            return entry.dagster_event.step_key.partition(".")[0]
    return None


def error_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """Return the name of the domain error that a run's first failed step met; `None` where no step says one."""
    return _said_of_failure(instance, run, ERROR)


def picture_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """Return the key of the picture that a run's failed capture kept; `None` where it kept none."""
    return _said_of_failure(instance, run, PICTURE)


def _said_of_failure(instance: dg.DagsterInstance, run: dg.DagsterRun, name: str) -> str | None:
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        event = entry.dagster_event
        said = None if event is None else event.step_failure_data.user_failure_data
        if said is not None and name in said.metadata:
            return str(said.metadata[name].value)
    return None


def why_it_ended(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Return a message: why a run that has ended left something undone."""
    if run.status is dg.DagsterRunStatus.CANCELED:
        return f"Run {run.run_id} was cancelled."
    if run.status is not dg.DagsterRunStatus.FAILURE:
        return f"Run {run.run_id} ended and left something undone."
    failures = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    for entry in failures:
        event = entry.dagster_event
        if event is not None and event.step_failure_data.user_failure_data is not None:
            return event.step_failure_data.user_failure_data.description or "The step failed."
        if event is not None and event.step_failure_data.error is not None:
            return event.step_failure_data.error.message.strip().splitlines()[-1]
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE):
        said = entry.user_message or entry.message
        if "outside the execution context" not in said:
            return said
        return f"Run {run.run_id} ended without a message: its worker could not be started, or was killed."
    return f"Run {run.run_id} failed."


def partition_of(run: dg.DagsterRun) -> str | None:
    """Return the partition that a run is for; `None` where it has none."""
    return run.tags.get(PARTITION_TAG)


def partition_of_step(context: dg.OpExecutionContext | dg.AssetExecutionContext) -> str:
    """Return the partition that a step is for; raise `InvalidInput` where its run was launched without one."""
    if not context.has_partition_key:
        raise InvalidInput(
            "This run has no partition: launch another one, and choose a partition at the upper left of the launchpad."
        )
    return context.partition_key


def will_be_retried(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether Dagster itself launches a failed run again, as it does where a worker crashed.

    Its tag is written a moment after the failure; until then Dagster's rule is applied here.
    """
    if WILL_RETRY_TAG in run.tags:
        return run.tags[WILL_RETRY_TAG] == "true"
    if not instance.run_retries_enabled:
        return False
    reason = run.tags.get(RUN_FAILURE_REASON_TAG)
    return bool(auto_reexecution_should_retry_run(instance, run, None if reason is None else RunFailureReason(reason)))


def asked_at(instance: dg.DagsterInstance, run: dg.DagsterRun) -> datetime:
    """Return when a run was requested: an automatic retry counts from the creation of its first run."""
    first = run.root_run_id if RETRY_NUMBER_TAG in run.tags else None
    record = instance.get_run_record_by_id(first or run.run_id) or instance.get_run_record_by_id(run.run_id)
    if record is None:
        raise NotFound(f"Run {run.run_id} was deleted: launch it again.")
    return record.create_timestamp
