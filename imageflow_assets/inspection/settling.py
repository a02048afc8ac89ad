"""What Dagster lacks of our rows: partitions, and events of uploads. It may have lost its storage, or be of an older
ImageFlow."""

from collections.abc import Sequence

import dagster as dg

from imageflow_assets.inspection.assets import OF_DAYS, inspection_uploads
from imageflow_assets.inspection.partitions import BATCHES, DAYS
from imageflow_assets.waiting import add_missing
from imageflow_clients.database.inspection import batches as rows
from imageflow_clients.database.inspection import statistics
from imageflow_clients.stores import Stores
from imageflow_domain.inspection import Batch, parts_of_batch_key
from imageflow_inspection.runs import BATCH_TAG


def rebuild_batches(instance: dg.DagsterInstance, stores: Stores) -> int:
    """Add a partition for every batch that Dagster does not know; return how many."""
    with stores.database.begin() as connection:
        ours = rows.all_keys(connection)
    return add_missing(instance, BATCHES, ours)


def rebuild_days(instance: dg.DagsterInstance, stores: Stores) -> int:
    """Add a partition for every day with counts, or counted by a run, that Dagster does not know; return how many."""
    with stores.database.begin() as connection:
        ours = {day.isoformat() for day in statistics.counted_days(connection)}
    return add_missing(
        instance, DAYS, ours.union(*(instance.get_materialized_partitions(asset.key) for asset in OF_DAYS))
    )


def unknown_uploads(instance: dg.DagsterInstance, stores: Stores, limit: int) -> tuple[Batch, ...]:
    """Return up to `limit` batches, their newest versions, of whose uploads Dagster knows none."""
    with stores.database.begin() as connection:
        unknown = sorted(rows.all_keys(connection) - instance.get_materialized_partitions(inspection_uploads.key))
        found = rows.latest_of(connection, [parts_of_batch_key(key) for key in unknown[:limit]])
    return tuple(found.values())


def new_uploads(instance: dg.DagsterInstance, stores: Stores, asked: Sequence[dg.RunRequest]) -> tuple[Batch, ...]:
    """Return the batches that runs are asked for, without those of which Dagster knows this very version's upload."""
    with stores.database.begin() as connection:
        found = rows.get_many(connection, [int(request.tags[BATCH_TAG]) for request in asked])
    return tuple(batch for batch in found.values() if _last_reported(instance, batch.key) != str(batch.id))


def _last_reported(instance: dg.DagsterInstance, batch: str) -> str | None:
    """Return the id of the batch that the newest event of an upload reports; none where there is no event."""
    of_batch = dg.AssetRecordsFilter(inspection_uploads.key, [batch])
    events = (record.asset_materialization for record in instance.fetch_materializations(of_batch, limit=1).records)
    return next(((event.tags or {}).get(BATCH_TAG) for event in events if event is not None), None)
