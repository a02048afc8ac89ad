"""Sensors of inspection: they request runs for uploads, and report verdicts and changed rules. All run by default."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from imageflow_assets.inspection import asking, settling
from imageflow_assets.inspection import metadata as shown
from imageflow_assets.inspection.assets import OF_BATCHES, OF_DAYS, human_verdicts, rules_event, upload_event
from imageflow_assets.inspection.partitions import BATCHES
from imageflow_assets.labels import INSPECTION, sensor
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_clients.webhooks import Webhooks
from imageflow_domain.inference import ModelRegistry
from imageflow_domain.inspection import Batch, VerificationEvent, batch_key
from imageflow_inspection.alerts import deliver_alerts, raise_alerts
from imageflow_inspection.changed_rules import ReportedRules, changed_rules
from imageflow_inspection.intake import Bounds, IntakeCursor, notice_batches
from imageflow_inspection.verify import report_events

_EVENT_TAG = "imageflow/verification_event"
_LOOKED_BACK = 1_000
"""Events of one batch among which one that was reported before is looked for."""

_UPLOADS = 100
"""Batches from before that one tick reports: Dagster takes up to 50 ms for each."""

_SETTLED: set[tuple[str, str]] = set()
"""Homes of the instances, and which sensor has looked there in this process for what Dagster lacks."""


@sensor(INSPECTION, asset_selection=dg.AssetSelection.assets(*OF_BATCHES), minimum_interval_seconds=10)
def inspect_uploads(
    context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Stores], settings: dg.ResourceParam[Settings]
) -> dg.SensorResult:
    """Notice batches that a manifest or a quiet time has closed, and request one run each until they are inspected."""
    before = _settle(context, stores)
    bounds = Bounds(quiet=timedelta(seconds=settings.upload_quiet_s))
    tick = notice_batches(stores, IntakeCursor.read(context.cursor), now=datetime.now(UTC), bounds=bounds)
    for refusal in tick.refused:
        context.log.warning("%s is not inspected: %s", refusal.key, refusal.reason)
    asked = (
        *asking.inspect_waiting(context.instance, stores, tick.waiting),
        *asking.report_inspected(context.instance, stores),
    )
    uploads = {batch.id: batch for batch in (*before, *settling.new_uploads(context.instance, stores, asked))}
    return dg.SensorResult(
        run_requests=asked,
        asset_events=[upload_event(batch) for batch in uploads.values()],
        cursor=tick.cursor.write(),
        skip_reason=None if asked else f"Nothing to request: {len(tick.waiting)} batches are being inspected.",
    )


def _settle(context: dg.SensorEvaluationContext, stores: Stores) -> tuple[Batch, ...]:
    """Bring Dagster's partitions in line with our rows; return batches whose uploads are to be reported now."""
    settled = (context.instance.root_directory, "batches")
    if settled in _SETTLED:
        return ()
    added = settling.rebuild_batches(context.instance, stores)
    if added:
        context.log.warning("Dagster lacked the partitions of %d batches: they are there again.", added)
    unknown = settling.unknown_uploads(context.instance, stores, _UPLOADS)
    if len(unknown) < _UPLOADS:
        _SETTLED.add(settled)
    return unknown


@sensor(INSPECTION, asset_selection=dg.AssetSelection.assets(*OF_DAYS), minimum_interval_seconds=60)
def count_statistics(context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Stores]) -> dg.SensorResult:
    """Ask for a run over each day whose counts changed."""
    settled = (context.instance.root_directory, "days")
    if settled not in _SETTLED:
        added = settling.rebuild_days(context.instance, stores)
        if added:
            context.log.info("%d days with results became partitions.", added)
        _SETTLED.add(settled)
    asked = asking.count_waiting(context.instance, stores)
    return dg.SensorResult(run_requests=asked, skip_reason=None if asked else "No day changed.")


@sensor(INSPECTION, minimum_interval_seconds=30)
def report_verdicts(context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Stores]) -> dg.SkipReason:
    """Tell what people said of a batch as one event, once all is said or nothing came for a minute."""
    instance = context.instance

    def report(event: VerificationEvent) -> None:
        key = batch_key(event.product, event.name)
        instance.add_dynamic_partitions(str(BATCHES.name), [key])
        tags = {_EVENT_TAG: str(event.id), **shown.version_tags(str(event.id))}
        instance.report_runless_asset_event(
            dg.AssetMaterialization(human_verdicts.key, partition=key, metadata=shown.verified(event), tags=tags)
        )

    def is_there(event: VerificationEvent) -> bool:
        of_batch = dg.AssetRecordsFilter(human_verdicts.key, [batch_key(event.product, event.name)])
        records = instance.fetch_materializations(of_batch, limit=_LOOKED_BACK).records
        materialised = (record.asset_materialization for record in records)
        return any((each.tags or {}).get(_EVENT_TAG) == str(event.id) for each in materialised if each is not None)

    events = report_events(stores, report, is_there)
    return dg.SkipReason(f"Verdicts of {len(events)} batches were reported; that needs no run.")


@sensor(INSPECTION, minimum_interval_seconds=30)
def mark_stale_batches(
    context: dg.SensorEvaluationContext,
    stores: dg.ResourceParam[Stores],
    models: dg.ResourceParam[ModelRegistry],
) -> dg.SensorResult:
    """Report to Dagster each batch that a new master judges otherwise: its results are stale from then on."""
    changes = changed_rules(stores, ReportedRules.read(context.cursor), models=models)
    for fault in changes.faults:
        context.log.warning("Batches cannot be judged now: %s", fault)
    return dg.SensorResult(
        asset_events=[rules_event(rules) for rules in changes.rules],
        cursor=changes.reported.write(),
        skip_reason=f"{len(changes.rules)} batches are judged by other rules now; nothing runs unless it is asked for.",
    )


@sensor(INSPECTION, minimum_interval_seconds=10)
def send_alerts(
    context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Stores], settings: dg.ResourceParam[Settings]
) -> dg.SkipReason:
    """Raise alerts of batches that were inspected or given up, and send what is due."""
    try:
        for alert in raise_alerts(stores, addresses=settings.alert_addresses):
            context.log.warning(alert.message)
    finally:  # alerts that were raised before are sent whether or not others can be raised
        delivered = deliver_alerts(stores, Webhooks.of(settings))
        for lost in delivered.given_up:
            context.log.warning(lost)
    return dg.SkipReason(f"{delivered.arrived} alerts arrived.")


SENSORS = (inspect_uploads, count_statistics, report_verdicts, mark_stale_batches, send_alerts)
