"""How inspection's assets are partitioned, and which batch a run is for."""

import dagster as dg

from imageflow_clients.database import batches as rows
from imageflow_clients.stores import Stores
from imageflow_domain.inspection import Batch, parts_of_batch_key
from imageflow_inspection.runs import BATCH_TAG, BATCHES_PARTITIONS

BATCHES = dg.DynamicPartitionsDefinition(name=BATCHES_PARTITIONS)
DAYS = dg.DailyPartitionsDefinition(start_date="2020-01-01", end_offset=1)
"""In UTC, today included."""

NO_DAY_OF_ONE_BATCH = dg.SpecificPartitionsPartitionMapping([])
"""From batches to days: a day's rows say themselves which batches changed it, so none makes it stale."""


def batch_of(context: dg.AssetExecutionContext, stores: Stores) -> Batch:
    """Return the batch that a run is for: the version that the sensor asked for, else the newest; raise `NotFound`."""
    product, name = parts_of_batch_key(context.partition_key)
    asked = context.run.tags.get(BATCH_TAG)
    with stores.database.begin() as connection:
        if asked is not None:
            batch = rows.get(connection, int(asked))
            if batch.key == context.partition_key:  # whoever runs it again may have chosen another partition
                return batch
        return rows.latest(connection, product, name)
