"""The runs that inspect batches: their keys, and the tags by which they are found again. Pure."""

from imageflow_domain.inspection import Batch

BATCHES_PARTITIONS = "batches"
"""Name of Dagster's dynamic partitions, a batch each; see `Batch.key`."""

BATCH_TAG = "imageflow/batch"
"""Which version of the partition's batch a run is for: its number in our rows."""

RUN_TAG = "imageflow/batch_run"
"""`Batch.run_key`, or what `report_key` says."""

_REPORT = "/report/"


def report_key(batch: Batch) -> str:
    """Name the report that another inspection counts: a new name each time, as it may have counted before."""
    return f"{batch.key}/{batch.version}{_REPORT}{batch.switches}"


def is_report(key: str) -> bool:
    """Whether a run of that name only reports, rather than inspects."""
    return _REPORT in key


def tags_of(batch: Batch, key: str) -> dict[str, str]:
    """Return a run's tags."""
    return {
        BATCH_TAG: str(batch.id),
        RUN_TAG: key,
        "dagster/max_retries": "0",  # the sensor requests failed work again
    }
