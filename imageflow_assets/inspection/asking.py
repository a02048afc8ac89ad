"""Which runs batches and days need: what their rows say is missing, put to the rule of all work."""

from collections.abc import Sequence

import dagster as dg

from imageflow_assets.inspection.assets import OF_BATCHES, OF_DAYS
from imageflow_assets.inspection.follow_up import DAY_TAG, TRIES
from imageflow_assets.inspection.partitions import BATCHES, DAYS
from imageflow_assets.runs import why_it_ended
from imageflow_assets.waiting import Waiting, look, with_partitions
from imageflow_clients.database.inspection import batches as rows
from imageflow_clients.database.inspection import reports, statistics
from imageflow_clients.stores import Stores
from imageflow_domain.inspection import Batch
from imageflow_domain.work import Action, Work, decide
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

    At most one run is at a batch at a time, launched by any process. A batch's key names the attempt: each is one run.
    """
    if not waiting:
        return ()

    def read() -> list[Waiting[Batch]]:
        with stores.database.begin() as connection:
            now = rows.get_many(connection, [batch.id for batch in waiting])
        unchanged = (batch for batch in waiting if now.get(batch.id) == batch)
        return [Waiting(row=batch, key=batch.run_key, partition=batch.key) for batch in unchanged]

    requests = []
    for asked in look(instance, RUN_TAG, read):
        # an attempt whose run has ended is over, even while another run works on the batch
        work = Work(tries=len(asked.runs), most_tries=1, is_held=asked.is_busy and not asked.runs)
        action = decide(work, asked.ends)
        if action is Action.REQUEST:
            requests.append(_run_of(asked.row, asked.key))
        elif action is not Action.WAIT:
            run_gave_up(stores, asked.row, why_it_ended(instance, asked.runs[0]), for_good=action is Action.CANCEL)
    return with_partitions(instance, BATCHES, requests, _AT_ONCE)


def report_inspected(instance: dg.DagsterInstance, stores: Stores) -> tuple[dg.RunRequest, ...]:
    """Return the runs that report inspections which Dagster does not know.

    A run's worker died between judging and reporting, or an inspection ran without Dagster. After three runs that
    failed it is left to people, who see them.
    """

    def read() -> list[Waiting[Batch]]:
        with stores.database.begin() as connection:
            found = reports.unreported(connection, _AT_ONCE, tries=TRIES)
        return [Waiting(row=each, key=_report_of(each, each.report_tries), partition=each.key) for each in found]

    requests = []
    for asked in look(instance, RUN_TAG, read):
        batch, tries = asked.row, asked.row.report_tries + bool(asked.runs)
        work = Work(tries=tries, most_tries=TRIES, is_held=asked.is_busy, ends_when_cancelled=False)
        action = decide(work, asked.ends)
        if asked.runs and action is not Action.WAIT:
            with stores.database.begin() as connection:
                reports.note_try(connection, batch)
        if action is Action.REQUEST:
            requests.append(_run_of(batch, _report_of(batch, tries)))
    return with_partitions(instance, BATCHES, requests, _AT_ONCE)


def _report_of(batch: Batch, tries: int) -> str:
    return f"{report_key(batch)}/{tries}"


def _run_of(batch: Batch, key: str) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=key,
        partition_key=batch.key,
        asset_selection=[asset.key for asset in OF_BATCHES],
        tags=tags_of(batch, key),
    )


def count_waiting(instance: dg.DagsterInstance, stores: Stores) -> tuple[dg.RunRequest, ...]:
    """Return a run for each day whose counts changed, three at most for the same change."""

    def read() -> list[Waiting[str]]:
        with stores.database.begin() as connection:
            found = statistics.waiting_days(connection, _DAYS_LOOKED_AT)
        return [Waiting(row=f"{day}", key=f"{day}/{last}", partition=f"{day}") for day, last in found]

    requests = []
    for asked in look(instance, DAY_TAG, read):
        tries = len(asked.runs)
        work = Work(tries=tries, most_tries=TRIES, is_held=asked.is_busy, ends_when_cancelled=False)
        if decide(work, asked.ends) is Action.REQUEST:
            requests.append(
                dg.RunRequest(
                    run_key=f"{asked.key}/{tries}",
                    partition_key=asked.row,
                    asset_selection=[asset.key for asset in OF_DAYS],
                    tags={DAY_TAG: asked.key, "dagster/max_retries": "0"},
                )
            )
    return with_partitions(instance, DAYS, requests, _AT_ONCE)
