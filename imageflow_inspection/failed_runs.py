"""The alert of a run of Dagster that failed and is not tried again by itself, of either line of assets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from imageflow_clients.database import Connection
from imageflow_clients.database.inspection import alerts, batches
from imageflow_clients.database.maps import surveys
from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidInput
from imageflow_domain.inspection import Alert, AlertKind, Batch, parts_of_batch_key

_MOST_REASON = 2_000


@dataclass(frozen=True, kw_only=True)
class FailedRun:
    """A run that ended as a failure."""

    id: str
    job: str | None
    """Its name; none for a run that assets were chosen for."""
    partition: str | None
    """What it was for: a survey's id, a batch's key or a day; none for a job without partitions."""
    reason: str
    """In words, with what to do where that is known."""
    url: str
    """Of its page in Dagster's UI."""


def raise_run_failed(stores: Stores, run: FailedRun, *, addresses: Sequence[str] = ()) -> Alert | None:
    """Raise `run_failed` of a run, once; return the alert, or `None` where it was raised before.

    Args:
        stores: Where alerts are kept.
        run: Which one.
        addresses: Where alerts go; see `deliver_alerts`.
    """
    with stores.database.begin() as connection:
        subject = _subject(connection, run)
        message = f"Run {run.id} {subject.named} failed: {run.reason[:_MOST_REASON]} {subject.next_step} {run.url}"
        return alerts.add(
            connection,
            AlertKind.RUN_FAILED,
            None if subject.batch is None else subject.batch.product,
            None if subject.batch is None else subject.batch.id,
            f"run {run.id}",
            message=message,
            details={"run": run.id, "url": run.url, "job": run.job, **subject.details},
            addresses=addresses,
        )


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """What a run was for, as a message names it."""

    named: str
    next_step: str
    details: dict[str, str]
    batch: Batch | None = None


_AGAIN = "Once that is mended, re-execute the run from failure:"


def _subject(connection: Connection, run: FailedRun) -> _Subject:
    partition = run.partition
    if partition is None:
        return _Subject(
            named=f"of job '{run.job}'", next_step="Look at the run, then launch the job again:", details={}
        )
    if surveys.exists(connection, partition):
        again = (
            f"Once that is mended, `imageflow survey resume {partition}` goes on, or re-execute the run from failure:"
        )
        return _Subject(named=f"of survey '{partition}'", next_step=again, details={"survey": partition})
    batch = _batch(connection, partition)
    if batch is not None:
        return _Subject(named=f"of batch '{partition}'", next_step=_AGAIN, details={"batch": partition}, batch=batch)
    if _is_day(partition):
        return _Subject(named=f"of the day {partition}", next_step=_AGAIN, details={"day": partition})
    return _Subject(named=f"of '{partition}'", next_step="Look at the run:", details={"partition": partition})


def _batch(connection: Connection, partition: str) -> Batch | None:
    try:
        of = parts_of_batch_key(partition)
    except InvalidInput:
        return None
    return batches.latest_of(connection, [of]).get(of)


def _is_day(partition: str) -> bool:
    try:
        date.fromisoformat(partition)
    except ValueError:
        return False
    return True
