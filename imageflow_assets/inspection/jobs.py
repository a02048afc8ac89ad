"""The job by which an operator sees what is stale, at what cost, and lets it be inspected again."""

import dagster as dg
from pydantic import Field

from imageflow_assets.failures import explained
from imageflow_assets.inspection import metadata as shown
from imageflow_assets.labels import INSPECTION, SHORT
from imageflow_clients.stores import Stores
from imageflow_domain.inference import ModelRegistry
from imageflow_inspection.reinspect import inspect_again, stale_batches


class ReinspectConfig(dg.Config):
    """What to inspect again."""

    product: str = Field(description="Its code.")
    batches: list[str] = Field(
        default=[],
        description="Their names; empty for all that are stale or failed. Of those that are named, pictures that could "
        "not be judged are judged anew too.",
    )
    dry_run: bool = Field(default=True, description="Only list them, with what changed and what it costs.")


@dg.op
def ask_for_inspection(
    config: ReinspectConfig, stores: dg.ResourceParam[Stores], models: dg.ResourceParam[ModelRegistry]
) -> dg.Output[int]:
    """List the stale batches of a product, and let them wait to be inspected by its newest master."""
    with explained():
        stale = stale_batches(stores, config.product, models=models)
        wanted = [each for each in stale if not config.batches or each.batch.name in config.batches]
        asked = (
            () if config.dry_run else inspect_again(stores, config.product, models=models, names=config.batches or None)
        )
    return dg.Output(len(asked), metadata={**shown.stale(wanted), "asked_for": len(asked)})


@dg.job(
    name="reinspect",
    owners=INSPECTION.owners,
    tags=SHORT,
)
def reinspect_job() -> None:
    """List a product's batches that a new master, pipeline or model would judge otherwise, with their cost.

    Without dry_run the sensor inspect_uploads has each of them inspected again, and those that failed too.
    """
    ask_for_inspection()
