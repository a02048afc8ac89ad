"""Which runs batches and days need: our rows say what waits, Dagster is only asked whether a run is at it."""

from collections.abc import Iterable, Sequence

import dagster as dg

from imageflow_assets.inspection.assets import OF_BATCHES, OF_DAYS
from imageflow_assets.inspection.follow_up import DAY_TAG, TRIES
from imageflow_assets.inspection.partitions import BATCHES, DAYS
from imageflow_assets.runs import ALIVE, at_work, runs_by_tag, why_it_ended
from imageflow_clients.database.inspection import batches as rows
from imageflow_clients.database.inspection import reports, statistics
from imageflow_clients.stores import Stores
from imageflow_domain.inspection import Batch
from imageflow_inspection.alerts import raise_alerts
from imageflow_inspection.intake import run_gave_up
from imageflow_inspection.runs import RUN_TAG, report_key, tags_of

_AT_ONCE = 100
"""Runs that one tick asks for: Dagster takes a third of a second for each."""

_DAYS_LOOKED_AT = 4_000
"""More than there are: days whose runs all failed wait before those that changed later."""


def inspect_waiting(
    instance: dg.DagsterInstance, stores: Stores, waiting: Sequence[Batch]
) -> tuple[dg.RunRequest, ...]:
    """Return the runs that batches need which wait to be inspected; note those whose run gave up.

    At most one run is at a batch at a time, whoever launched it. What changes while Dagster is asked waits for the next
    tick: the run that changed it may have ended in between.
    """
    asked = runs_by_tag(instance, RUN_TAG, {batch.run_key for batch in waiting})
    busy = at_work(instance, {batch.key for batch in waiting})
    with stores.database.begin() as connection:
        now = rows.get_many(connection, [batch.id for batch in waiting])
    wanted: dict[str, tuple[Batch, str]] = {}
    for batch in waiting:
        if now.get(batch.id) != batch:
            continue
        runs = asked.get(batch.run_key, ())
        if not runs:
            wanted.setdefault(batch.key, (batch, batch.run_key))
        elif runs[0].status not in ALIVE:
            cancelled = runs[0].status is dg.DagsterRunStatus.CANCELED
            reason = f"Run {runs[0].run_id} was cancelled." if cancelled else why_it_ended(instance, runs[0])
            run_gave_up(stores, batch, reason, for_good=cancelled)
    return _requests(instance, (each for key, each in wanted.items() if key not in busy))


def report_inspected(
    instance: dg.DagsterInstance, stores: Stores, addresses: Sequence[str]
) -> tuple[dg.RunRequest, ...]:
    """Return the runs that tell Dagster of inspections that it was not told of.

    A run's worker died between judging and reporting, or somebody inspected without Dagster. After three runs that
    failed it is left to people, who see them. The alerts that a report would raise are raised when its first run fails.
    What is reported while Dagster is asked is left out: the run that did it may have ended in between.
    """
    unreported = _unreported(stores)
    keys = {batch: f"{report_key(batch)}/{batch.report_tries}" for batch in unreported}
    asked = runs_by_tag(instance, RUN_TAG, set(keys.values()))
    busy = at_work(instance, {batch.key for batch in unreported})
    still = _unreported(stores)
    wanted = []
    for batch, key in keys.items():
        if batch.key in busy or batch not in still:
            continue
        if key not in asked:
            wanted.append((batch, key))
            continue
        raise_alerts(stores, batch.id, addresses=addresses)
        with stores.database.begin() as connection:
            reports.note_try(connection, batch)
        if batch.report_tries + 1 < TRIES:
            wanted.append((batch, f"{report_key(batch)}/{batch.report_tries + 1}"))
    return _requests(instance, wanted)


def _unreported(stores: Stores) -> tuple[Batch, ...]:
    with stores.database.begin() as connection:
        return reports.unreported(connection, _AT_ONCE, tries=TRIES)


def count_waiting(instance: dg.DagsterInstance, stores: Stores) -> tuple[dg.RunRequest, ...]:
    """Return a run for each day whose counts changed, three at most for the same change."""
    waiting = _waiting_days(stores)
    asked = runs_by_tag(instance, DAY_TAG, {change for _, change in waiting})
    busy = at_work(instance, {day for day, _ in waiting})
    still = set(_waiting_days(stores))
    wanted: list[dg.RunRequest] = []
    for day, change in waiting:
        if (day, change) not in still:
            continue  # the run that counted it may have ended while Dagster was asked
        tries = len(asked.get(change, ()))
        if len(wanted) < _AT_ONCE and day not in busy and tries < TRIES:
            wanted.append(
                dg.RunRequest(
                    run_key=f"{change}/{tries}",
                    partition_key=day,
                    asset_selection=[asset.key for asset in OF_DAYS],
                    tags={DAY_TAG: change, "dagster/max_retries": "0"},
                )
            )
    if wanted:
        days = {request.partition_key for request in wanted if request.partition_key is not None}
        instance.add_dynamic_partitions(str(DAYS.name), sorted(days))
    return tuple(wanted)


def _waiting_days(stores: Stores) -> tuple[tuple[str, str], ...]:
    """Return days whose counts changed, each with a name of its last change."""
    with stores.database.begin() as connection:
        found = statistics.waiting_days(connection, _DAYS_LOOKED_AT)
    return tuple((day.isoformat(), f"{day.isoformat()}/{last}") for day, last in found)


def _requests(instance: dg.DagsterInstance, wanted: Iterable[tuple[Batch, str]]) -> tuple[dg.RunRequest, ...]:
    """Add the partitions, then return the requests."""
    chosen = list(wanted)[:_AT_ONCE]
    if chosen:
        instance.add_dynamic_partitions(str(BATCHES.name), sorted({batch.key for batch, _ in chosen}))
    return tuple(
        dg.RunRequest(
            run_key=key,
            partition_key=batch.key,
            asset_selection=[asset.key for asset in OF_BATCHES],
            tags=tags_of(batch, key),
        )
        for batch, key in chosen
    )
