"""Runs that are executed in the process that starts them, as the command line does, by the executor of all runs."""

from collections.abc import Mapping

import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableJob

from imageflow_domain.errors import NotFound
from imageflow_surveys.runs import PARTITION_TAG

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Failures are printed once, by the command."""

_NEVER_BY_ITSELF = {"dagster/max_retries": "0"}
"""The command knows how the run ended; a person runs it again."""


def execute(
    instance: dg.DagsterInstance, job: ReconstructableJob, partition: str, tags: Mapping[str, str]
) -> dg.RunRecord:
    """Execute a job for one partition in this process and its children; return its run, which has ended.

    SIGINT ends the run within two seconds as cancelled. `why_it_ended` gives the reason of a failure as a message.

    Args:
        job: Made anew by each child: from a function of a module, by `dg.reconstructable`.
        partition: One that the instance knows.
        tags: More of them, on the run.
    """
    every = {**_NEVER_BY_ITSELF, **tags, PARTITION_TAG: partition}
    done = dg.execute_job(job, instance=instance, run_config=_QUIET, tags=every)
    record = instance.get_run_record_by_id(done.run_id)
    if record is None:
        raise NotFound(f"Run {done.run_id} was deleted while it was executed: run the command again.")
    return record
