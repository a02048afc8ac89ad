"""Runs that are executed in the process that starts them, as the command line does, by the executor of all runs."""

import time
from collections.abc import Mapping
from contextlib import suppress
from uuid import uuid4

import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableJob
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.exc import InterfaceError, OperationalError

from imageflow_assets.failures import retry_waits_s
from imageflow_assets.runs import ALIVE, lost_its_stores
from imageflow_domain.errors import NotFound, Unavailable
from imageflow_surveys.runs import PARTITION_TAG

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Failures are printed once, by the command."""

_NEVER_BY_ITSELF = {"dagster/max_retries": "0"}
"""The command knows how the run ended; a person runs it again."""

_COMMAND_TAG = "imageflow/command"
"""By which a command finds the run that it lost."""

_AWAY = (Unavailable, OperationalError, InterfaceError, DagsterPostgresException)
"""What Dagster raises where its database is away."""


def execute(
    instance: dg.DagsterInstance, job: ReconstructableJob, partition: str, tags: Mapping[str, str]
) -> dg.RunRecord:
    """Execute a job for one partition in this process and its children; return its run, which has ended.

    SIGINT ends the run within two seconds as cancelled. `why_it_ended` says in words why a run failed.

    A run that loses its stores where no step would try again, as when Dagster notes what a step did, is repeated after
    the same waits as a step. Raises `DatabaseUnavailable` where the database does not come back.

    Args:
        job: Made anew by each child: from a function of a module, by `dg.reconstructable`.
        partition: One that the instance knows.
        tags: More of them, on the run.
    """
    every = {**_NEVER_BY_ITSELF, **tags, PARTITION_TAG: partition, _COMMAND_TAG: uuid4().hex}
    for wait_s in retry_waits_s():
        with suppress(*_AWAY):  # the next round, or the last one, meets them again where they do not pass
            record = _execute(instance, job, every)
            if not lost_its_stores(instance, record.dagster_run):
                return record
        time.sleep(wait_s)
    return _execute(instance, job, every)


def _execute(instance: dg.DagsterInstance, job: ReconstructableJob, tags: Mapping[str, str]) -> dg.RunRecord:
    """Execute a job once, having ended the run that the command lost before."""
    of_command = dg.RunsFilter(tags={_COMMAND_TAG: tags[_COMMAND_TAG]}, statuses=ALIVE)
    for run in instance.get_runs(of_command):
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        instance.report_run_failed(run, "It lost its database, and is repeated.")
    done = dg.execute_job(job, instance=instance, run_config=_QUIET, tags=tags)
    record = instance.get_run_record_by_id(done.run_id)
    if record is None:
        raise NotFound(f"Run {done.run_id} was deleted while it was executed: run the command again.")
    return record
