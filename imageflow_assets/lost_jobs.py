"""Jobs and pods of Kubernetes whose run has ended: Dagster leaves them at work where it fails a run itself.

A run that does not start in time is failed, and its Job goes on; the steps of a run whose worker was killed go on, too,
and so do the pods of its components.
"""

import os
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

import dagster as dg

from imageflow_assets.step_hosts import HostsSteps

if TYPE_CHECKING:  # only pods that launch or watch others load Kubernetes' client
    from imageflow_assets.k8s_jobs import JobState, PodState

LEAVE_S = 15.0
"""From the end of a run until its pods must have ended by themselves."""

_OfRun = TypeVar("_OfRun", "JobState", "PodState")

_IN_A_CLUSTER = "KUBERNETES_SERVICE_HOST"


@dg.sensor(
    description="Delete the Jobs and pods of runs that have ended: of a run that was failed before it started, or of "
    "the shares or components of a run whose worker was killed.",
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def remove_lost_jobs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Delete Jobs and pods that are at work for no run."""
    launcher = context.instance.run_launcher
    if not isinstance(launcher, HostsSteps):
        return dg.SkipReason("Runs are no Jobs here.")
    jobs, pods = launcher.jobs(), launcher.component_pods()
    at_work = [state for state in jobs.states().values() if state.run_id and not state.is_over]
    of_components = pods.states()
    runs = {job.run_id for job in at_work} | {pod.run_id for pod in of_components}
    ended_s = _seconds_since_end(context.instance, runs)
    lost_jobs, lost_pods = lost_of(at_work, ended_s), lost_of(of_components, ended_s)
    for job in lost_jobs:
        jobs.delete(job.name)
        context.log.warning("Deleted the Job '%s': its run %s has ended.", job.name, job.run_id)
    for pod in lost_pods:
        pods.delete(pod.name)
        context.log.warning("Deleted the component's pod '%s': its run %s has ended.", pod.name, pod.run_id)
    return dg.SkipReason(
        f"{len(at_work)} Jobs and {len(of_components)} pods of components are at work, "
        f"{len(lost_jobs) + len(lost_pods)} were deleted."
    )


SENSORS = (remove_lost_jobs,) if _IN_A_CLUSTER in os.environ else ()


def lost_of(at_work: Iterable[_OfRun], ended_s: Mapping[str, float]) -> list[_OfRun]:
    """Return the Jobs or pods that are at work for no run.

    Args:
        at_work: Those that are not over.
        ended_s: Seconds since the end of each run, zero of one that goes on; a run that was deleted is not among them.
    """
    return [state for state in at_work if ended_s.get(state.run_id, LEAVE_S) >= LEAVE_S]


def _seconds_since_end(instance: dg.DagsterInstance, run_ids: set[str]) -> Mapping[str, float]:
    if not run_ids:
        return {}
    records = instance.get_run_records(dg.RunsFilter(run_ids=sorted(run_ids)))
    now = time.time()
    return {
        record.dagster_run.run_id: now - (record.end_time or record.update_timestamp.timestamp())
        if record.dagster_run.is_finished
        else 0.0
        for record in records
    }
