"""Runs that are executed where they are asked for, as the command line does, by the executor of all runs."""

from collections.abc import Mapping

import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableJob

from imageflow_domain.errors import NotFound
from imageflow_surveys.runs import PARTITION_TAG

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Failures are printed once, by whoever asks for the run."""

_NEVER_BY_ITSELF = {"dagster/max_retries": "0"}
"""Whoever asked for the run knows how it ended, and asks again."""


def execute(
    instance: dg.DagsterInstance, job: ReconstructableJob, partition: str, tags: Mapping[str, str]
) -> dg.RunRecord:
    """Execute a job for one partition in this process and its children; return its run, which has ended.

    SIGINT ends the run within two seconds as cancelled. `why_it_ended` says in words why a run failed.

    Args:
        job: Made anew by each child: from a function of a module, by `dg.reconstructable`.
        partition: One that the instance knows.
        tags: More of them, on the run.
    """
    every = {**_NEVER_BY_ITSELF, **tags, PARTITION_TAG: partition}
    done = dg.execute_job(job, instance=instance, run_config=_QUIET, tags=every)
    record = instance.get_run_record_by_id(done.run_id)
    if record is None:
        raise NotFound(f"Run {done.run_id} was deleted while it was executed: ask for it again.")
    return record
