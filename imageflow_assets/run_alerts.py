"""The alert of one failed run, of either line or of any job."""

import dagster as dg

from imageflow_assets.runs import partition_of
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.inspection import Alert
from imageflow_inspection.failed_runs import FailedRun, raise_run_failed

_ASSETS_JOB = "__ASSET_JOB"
"""The job under which Dagster runs a selection of assets."""


def alert_of(stores: Stores, settings: Settings, run: dg.DagsterRun, reason: str) -> Alert | None:
    """Raise the alert of a run, once; return it, or `None` where it was raised before.

    Args:
        stores: Where alerts are kept.
        settings: Where Dagster's UI is, and who is sent alerts.
        run: Which one failed.
        reason: Why the run failed, as a message.
    """
    failed = FailedRun(
        id=run.run_id,
        job=None if run.job_name == _ASSETS_JOB else run.job_name,
        partition=partition_of(run),
        reason=reason,
        url=f"{settings.dagster_pages_url}/runs/{run.run_id}",
    )
    return raise_run_failed(stores, failed, addresses=settings.alert_addresses)
