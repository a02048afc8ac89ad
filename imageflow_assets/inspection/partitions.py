"""How inspection's assets are partitioned, and which batch or day a run is for."""

from datetime import date

import dagster as dg

from imageflow_assets.runs import partition_of_step
from imageflow_clients.database.inspection import batches as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidInput
from imageflow_domain.inspection import Batch, parts_of_batch_key
from imageflow_inspection.runs import BATCH_TAG, BATCHES_PARTITIONS

BATCHES = dg.DynamicPartitionsDefinition(name=BATCHES_PARTITIONS)
DAYS = dg.DynamicPartitionsDefinition(name="inspection_days")
"""In UTC, only those that have results: `2026-11-29`."""

NOT_BY_PARTITION = dg.SpecificPartitionsPartitionMapping([])
"""Lineage of assets alone: no partition makes another one stale. From batches to days, as a day's rows say themselves
which batches changed it; from uploads to batches, so that what is older than its upload's event stays fresh."""


def batch_of(context: dg.AssetExecutionContext, stores: Stores) -> Batch:
    """Return the batch that a run is for: the version that the sensor requested, else the newest.

    Raises:
        InvalidInput: The run has no partition, or one that names no batch.
        NotFound: There is no such batch.
    """
    key = partition_of_step(context)
    product, name = parts_of_batch_key(key)
    asked = context.run.tags.get(BATCH_TAG)
    with stores.database.begin() as connection:
        if asked is not None:
            batch = rows.get(connection, int(asked))
            if batch.key == key:  # a re-execution may name another partition
                return batch
        return rows.latest(connection, product, name)


def day_of(context: dg.AssetExecutionContext) -> date:
    """Return the day that a run is for; raise `InvalidInput` for a partition that is none."""
    key = partition_of_step(context)
    try:
        day = date.fromisoformat(key)
    except ValueError:
        day = None
    if day is None or day.isoformat() != key:  # other spellings of a day would be other partitions
        raise InvalidInput(
            f"The partition '{key}' is no day such as 2026-11-29: delete it. The sensor count_statistics adds the days "
            "that have results."
        )
    return day
