"""The sensor that raises an alert for each failed run, of both lines and of every job."""

import dagster as dg
from dagster._core.storage.tags import SENSOR_NAME_TAG

from imageflow_assets.inspection.follow_up import is_followed_up
from imageflow_assets.run_alerts import alert_of
from imageflow_assets.runs import why_it_ended, will_be_retried
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.errors import Unavailable
from imageflow_surveys.runs import REFUSED_TAG, SENSOR


@dg.run_failure_sensor(
    description="Raise an alert of each failed run, with the reason and what to do; the sensor send_alerts sends it. "
    "Runs that are tried again by themselves are left out; surveys and batches that are given up have own alerts.",
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def alert_failed_runs(
    context: dg.RunFailureSensorContext, stores: dg.ResourceParam[Stores], settings: dg.ResourceParam[Settings]
) -> None:
    """Raise `run_failed` of a run that failed for good."""
    run, instance = context.dagster_run, context.instance
    if will_be_retried(instance, run) or _is_followed_up(run):
        return
    try:
        alert = alert_of(stores, settings, run, why_it_ended(instance, run))
    except Unavailable as error:
        # An error of Dagster's own fails the tick, and the next one looks again; any other passes the run over.
        raise dg.DagsterError(f"The alert of run {run.run_id} waits. {error}") from error
    if alert is not None:
        context.log.warning(alert.message)


def _is_followed_up(run: dg.DagsterRun) -> bool:
    """Whether a sensor requests another run after a failed one, or the run had nothing to do."""
    return is_followed_up(run) or run.tags.get(SENSOR_NAME_TAG) == SENSOR or run.tags.get(REFUSED_TAG) == run.run_id
