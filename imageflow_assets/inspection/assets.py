"""Inspection's assets: which partition, call down, what to show."""

import time
from collections.abc import Iterator

import dagster as dg

from imageflow_assets.cancelling import cancelled_with_the_run
from imageflow_assets.failures import explained
from imageflow_assets.inspection import metadata as shown
from imageflow_assets.inspection.partitions import BATCHES, DAYS, NOT_BY_PARTITION, batch_of, day_of
from imageflow_assets.labels import INSPECTION as LINE
from imageflow_assets.labels import column_schema, rows_of
from imageflow_clients.database.inspection import schema as schema
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.containers import Containers
from imageflow_domain.inference import ModelRegistry
from imageflow_domain.inspection import Batch
from imageflow_domain.isolation import Isolation
from imageflow_inspection.changed_rules import BatchRules, changed_meanwhile
from imageflow_inspection.identity import judge_now
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_inspection.judging import CODE_VERSION
from imageflow_inspection.report import CHECKS, note_reported, report_batch
from imageflow_inspection.results import not_passed
from imageflow_inspection.runs import BATCH_TAG
from imageflow_inspection.statistics import count_day, disagreements_of, figures_of
from imageflow_inspection.take_in import take_in
from imageflow_resources.pools import INSPECTION

_VERSION = "1"
"""Of what is shown. What judges has `CODE_VERSION`."""


inspection_uploads = dg.AssetSpec(
    "inspection_uploads",
    description="Uploaded folders of pictures, a closed one a batch. The sensor inspect_uploads reports them.",
    partitions_def=BATCHES,
    group_name=LINE.name,
    owners=LINE.owners,
    tags=LINE.tags,
    kinds={"image"},
    metadata=rows_of(schema.batches),
)


def upload_event(batch: Batch) -> dg.AssetMaterialization:
    """Return the event that reports the upload of a batch: another version of it has another data version."""
    return dg.AssetMaterialization(
        inspection_uploads.key,
        partition=batch.key,
        metadata=shown.uploaded(batch),
        tags={BATCH_TAG: str(batch.id), **shown.version_tags(batch.listing)},
    )


@dg.asset(
    partitions_def=BATCHES,
    deps=[dg.AssetDep(inspection_uploads, partition_mapping=NOT_BY_PARTITION)],
    code_version=_VERSION,
    group_name=LINE.name,
    owners=LINE.owners,
    tags=LINE.tags,
    metadata=rows_of(schema.batch_pictures),
    kinds={"image"},
)
def batch_images(
    context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores], settings: dg.ResourceParam[Settings]
) -> dg.MaterializeResult[None]:
    """The pictures of an uploaded batch, each kept under the digest of its bytes."""
    begin = time.monotonic()
    with explained(context.retry_number, settings.retry_waits):
        pictures = take_in(stores, batch_of(context, stores).id)
        batch = batch_of(context, stores)
    return dg.MaterializeResult(
        metadata=shown.taken(batch, pictures, time.monotonic() - begin),
        data_version=shown.data_version(str(batch.source_digest)),
    )


@dg.asset(
    partitions_def=BATCHES,
    code_version=_VERSION,
    group_name=LINE.name,
    owners=LINE.owners,
    tags=LINE.tags,
    metadata=rows_of(schema.master_items),
    kinds={"postgres"},
)
def batch_rules(
    context: dg.AssetExecutionContext,
    stores: dg.ResourceParam[Stores],
    models: dg.ResourceParam[ModelRegistry],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[None]:
    """By what a batch is judged: criteria, pipelines, models. Another master gives it another data version."""
    with explained(context.retry_number, settings.retry_waits):
        batch = batch_of(context, stores)
        with stores.database.begin() as connection:
            judge = judge_now(connection, batch.product, models)
    return dg.MaterializeResult(metadata=shown.rules(judge), data_version=shown.data_version(judge.identity))


@dg.asset(
    partitions_def=BATCHES,
    deps=[batch_images, batch_rules],
    pool=INSPECTION,
    code_version=str(CODE_VERSION),
    group_name=LINE.name,
    owners=LINE.owners,
    tags=LINE.tags,
    metadata={**rows_of(schema.item_results), "pictures": column_schema(schema.picture_results)},
    kinds={"postgres"},
)
def inspection_results(
    context: dg.AssetExecutionContext,
    stores: dg.ResourceParam[Stores],
    models: dg.ResourceParam[ModelRegistry],
    containers: dg.ResourceParam[Containers],
    isolation: dg.ResourceParam[Isolation],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[None]:
    """Every picture judged by every item of the product's newest master; former judgements stay readable."""
    begin = time.monotonic()
    with explained(context.retry_number, settings.retry_waits), cancelled_with_the_run() as cancellation:
        batch = batch_of(context, stores)
        inspection = inspect_batch(
            stores, batch.id, models=models, containers=containers, isolation=isolation, cancellation=cancellation
        )
        wrong = not_passed(stores, inspection.id)
    return dg.MaterializeResult(
        metadata=shown.inspected(batch, inspection, wrong, time.monotonic() - begin),
        data_version=shown.results_version(batch, inspection),
    )


@dg.asset(
    partitions_def=BATCHES,
    deps=[inspection_results],
    check_specs=[
        dg.AssetCheckSpec(name, asset="batch_report", description=description, partitions_def=BATCHES)
        for name, description in CHECKS.items()
    ],
    code_version=_VERSION,
    group_name=LINE.name,
    owners=LINE.owners,
    tags=LINE.tags,
    metadata=rows_of(schema.inspections),
    kinds={"image"},
)
def batch_report(
    context: dg.AssetExecutionContext,
    stores: dg.ResourceParam[Stores],
    models: dg.ResourceParam[ModelRegistry],
    settings: dg.ResourceParam[Settings],
) -> Iterator[dg.MaterializeResult[None]]:
    """What did not pass, with pictures; checks of the batch; the alerts that it gives reason for."""
    with explained(context.retry_number, settings.retry_waits):
        batch = batch_of(context, stores)
        report = report_batch(stores, batch.id, models=models)
    yield dg.MaterializeResult(
        metadata=shown.reported(report), check_results=[shown.check_result(check) for check in report.checks]
    )
    # Dagster keeps it by now: after a crash before this line, the sensor requests it again.
    with explained():
        rules = changed_meanwhile(stores, batch.id, models=models)
        if rules is not None:
            context.instance.report_runless_asset_event(rules_event(rules))
        note_reported(stores, report)


def rules_event(rules: BatchRules) -> dg.AssetMaterialization:
    """Return the event that reports other rules of a batch to Dagster: its results are stale from then on."""
    return dg.AssetMaterialization(
        batch_rules.key,
        partition=rules.batch,
        metadata=shown.rules(rules.judge),
        tags=shown.version_tags(rules.judge.identity),
    )


human_verdicts = dg.AssetSpec(
    "human_verdicts",
    description="Verdicts of people, reported once all pictures are verified or a minute after the last verdict.",
    partitions_def=BATCHES,
    deps=[inspection_results],
    group_name=LINE.name,
    owners=LINE.owners,
    tags=LINE.tags,
    kinds={"postgres"},
    metadata=rows_of(schema.verifications),
)


@dg.asset(
    partitions_def=DAYS,
    deps=[
        dg.AssetDep(inspection_results, partition_mapping=NOT_BY_PARTITION),
        dg.AssetDep(human_verdicts, partition_mapping=NOT_BY_PARTITION),
    ],
    code_version=_VERSION,
    group_name=LINE.name,
    owners=LINE.owners,
    tags=LINE.tags,
    metadata=rows_of(schema.statistics),
    kinds={"postgres"},
)
def inspection_statistics(
    context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores], settings: dg.ResourceParam[Settings]
) -> dg.MaterializeResult[None]:
    """A day's counts by product, item and inspector; weeks and months are their sums."""
    with explained(context.retry_number, settings.retry_waits):
        day = day_of(context)
        count_day(stores, day)
        figures = figures_of(stores, day)
    return dg.MaterializeResult(metadata=shown.statistics(figures))


@dg.asset(
    partitions_def=DAYS,
    deps=[dg.AssetDep(human_verdicts, partition_mapping=NOT_BY_PARTITION), inspection_statistics],
    code_version=_VERSION,
    group_name=LINE.name,
    owners=LINE.owners,
    tags=LINE.tags,
    metadata=rows_of(schema.verifications),
    kinds={"postgres"},
)
def disagreements(
    context: dg.AssetExecutionContext, stores: dg.ResourceParam[Stores], settings: dg.ResourceParam[Settings]
) -> dg.MaterializeResult[None]:
    """A day's verdicts of people that are not the pipelines'."""
    with explained(context.retry_number, settings.retry_waits):
        found = disagreements_of(stores, day_of(context))
    return dg.MaterializeResult(metadata=shown.disagreeing(found))


OF_BATCHES = (batch_images, batch_rules, inspection_results, batch_report)
OF_DAYS = (inspection_statistics, disagreements)
ASSETS = (inspection_uploads, *OF_BATCHES, human_verdicts, *OF_DAYS)
