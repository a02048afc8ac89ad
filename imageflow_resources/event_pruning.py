"""Deleting what Dagster logged of the steps of runs that ended long ago, which grows without bound.

Events of assets, checks and runs stay, and the failures of steps: pages of assets, partitions and runs show the same.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import DagsterEventType as Event
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as Events
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from sqlalchemy import delete, or_

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_RUNS_AT_ONCE = 200
_UNTIL = "imageflow/run_logs_pruned_until"

_OF_STEPS = [
    event.value
    for event in (
        Event.STEP_OUTPUT,
        Event.STEP_INPUT,
        Event.STEP_START,
        Event.STEP_SUCCESS,
        Event.STEP_SKIPPED,
        Event.STEP_WORKER_STARTING,
        Event.STEP_WORKER_STARTED,
        Event.STEP_RESTARTED,
        Event.RESOURCE_INIT_STARTED,
        Event.RESOURCE_INIT_SUCCESS,
        Event.OBJECT_STORE_OPERATION,
        Event.LOADED_INPUT,
        Event.HANDLED_OUTPUT,
        Event.ENGINE_EVENT,
        Event.LOGS_CAPTURED,
    )
]
"""A type that a later Dagster adds stays until it is listed here."""


def prune_events(instance: dg.DagsterInstance, older_than: timedelta) -> int:
    """Delete the steps' events, the messages and the captured output of runs that ended longer ago; count the events.

    May be broken off at any moment. Such a run can be executed again as a whole afterwards, not from its failure on.
    Runs that ended before those of the last time are not looked at again.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return 0
    deleted = 0
    before = datetime.now(UTC) - older_than
    for runs in _ended_runs(instance, after=_pruned_until(instance), before=before):
        of_steps = or_(Events.c.dagster_event_type.is_(None), Events.c.dagster_event_type.in_(_OF_STEPS))
        with storage.index_transaction() as connection:
            deleted += connection.execute(delete(Events).where(Events.c.run_id.in_(runs), of_steps)).rowcount
        for run in runs:
            instance.compute_log_manager.delete_logs(prefix=[run])
    instance.daemon_cursor_storage.set_cursor_values({_UNTIL: before.isoformat()})
    return deleted


def _pruned_until(instance: dg.DagsterInstance) -> datetime | None:
    """Return the instant before which the runs had ended that were pruned last; `None` before the first time."""
    until = instance.daemon_cursor_storage.get_cursor_values({_UNTIL}).get(_UNTIL)
    return None if until is None else datetime.fromisoformat(until)


def _ended_runs(instance: dg.DagsterInstance, *, after: datetime | None, before: datetime) -> Iterator[Sequence[str]]:
    """Yield the ids of runs that ended between two instants, some at once."""
    cursor: str | None = None
    ended = dg.RunsFilter(statuses=_ENDED, updated_after=after, updated_before=before)
    while found := instance.get_run_ids(ended, cursor=cursor, limit=_RUNS_AT_ONCE):
        yield found
        cursor = found[-1]
