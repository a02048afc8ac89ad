"""Runs that are executed where they are asked for, as the command line does, by the executor of all runs."""

from collections.abc import Collection, Mapping

import dagster as dg
from dagster._core.definitions.assets.job.asset_job import IMPLICIT_ASSET_JOB_NAME
from dagster._core.definitions.reconstruct import ReconstructableRepository

from imageflow_domain.errors import NotFound

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Failures are printed once, by whoever asks for the run."""

_NEVER_BY_ITSELF = {"dagster/max_retries": "0"}
"""Whoever asked for the run knows how it ended, and asks again."""


def execute(
    instance: dg.DagsterInstance,
    partition: str,
    selection: Collection[dg.AssetKey],
    *,
    tags: Mapping[str, str] | None = None,
    module: str = "imageflow_assets.definitions",
) -> dg.DagsterRun:
    """Materialise assets of one partition in this process, and its children; return the run, which has ended.

    SIGINT ends the run within two seconds as cancelled. `why_it_ended` says in words why a run failed.

    Args:
        partition: Which one, known to the instance.
        selection: Assets that are materialised, in their order.
        tags: More of them, on the run.
        module: Where children load the definitions `defs`.
    """
    job = ReconstructableRepository.for_module(module, "defs").get_reconstructable_job(IMPLICIT_ASSET_JOB_NAME)
    done = dg.execute_job(
        job,
        instance=instance,
        run_config=_QUIET,
        tags={**_NEVER_BY_ITSELF, **(tags or {}), "dagster/partition": partition},
        asset_selection=list(selection),
    )
    run = instance.get_run_by_id(done.run_id)
    if run is None:
        raise NotFound(f"Run {done.run_id} was deleted while it was executed: ask for it again.")
    return run
