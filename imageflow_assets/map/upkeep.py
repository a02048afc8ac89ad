"""Jobs that keep the stores in order, and their schedules: what is old or unused goes."""

from datetime import timedelta

import dagster as dg
from pydantic import Field

from imageflow_assets.failures import explained
from imageflow_assets.labels import MAP, SHORT
from imageflow_assets.map.records import delete_survey
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_executions.upkeep import drop_months
from imageflow_executions.upkeep import sweep_objects as sweep_executions
from imageflow_resources.event_pruning import prune_events
from imageflow_surveys.retain import Retention, expired_surveys, retire_revisions
from imageflow_surveys.sweep import GRACE, sweep


class RetentionConfig(dg.Config):
    """Which surveys go. What is left out is as in the settings."""

    keep: int | None = Field(
        default=None, ge=1, description="Published surveys of each save that stay; IMAGEFLOW_RETENTION_SURVEYS."
    )
    days: int | None = Field(default=None, ge=0, description="Younger ones stay, too; IMAGEFLOW_RETENTION_DAYS.")
    dry_run: bool = Field(default=False, description="Only say what would go.")


class SweepConfig(dg.Config):
    """How a sweep is made."""

    grace_hours: float = Field(
        default=GRACE.total_seconds() / 3600, ge=0, description="How long a tile's object must not have been needed."
    )
    dry_run: bool = Field(default=False, description="Only count.")


@dg.op
def retire_old_surveys(
    context: dg.OpExecutionContext,
    config: RetentionConfig,
    stores: dg.ResourceParam[Stores],
    settings: dg.ResourceParam[Settings],
) -> dg.Output[int]:
    """Delete the surveys that the retention no longer keeps: partition, runs and objects."""
    rule = retention(settings, keep=config.keep, days=config.days)
    with explained():
        expired = expired_surveys(stores, rule)
        for survey in () if config.dry_run else expired:
            delete_survey(context.instance, stores, survey)
        revisions = retire_revisions(stores, dry_run=config.dry_run)
    return dg.Output(
        len(expired),
        metadata={
            "surveys": dg.MetadataValue.md("\n".join(f"- {survey.id}" for survey in expired) or "none"),
            "superseded_revisions": revisions,
            "dry_run": config.dry_run,
        },
    )


@dg.op
def sweep_objects(
    config: SweepConfig,
    stores: dg.ResourceParam[Stores],
    after: int,  # noqa: ARG001 - the order alone
) -> dg.Output[int]:
    """Delete the objects that were unused for a day."""
    with explained():
        swept = sweep(stores, grace=timedelta(hours=config.grace_hours), dry_run=config.dry_run)
    return dg.Output(
        swept.deleted,
        metadata={
            "newly_unneeded": swept.noted,
            "deleted": swept.deleted,
            "left_over_surveys": ", ".join(swept.surveys) or "none",
            "half_written_files": swept.unfinished,
            "abandoned_folders": swept.scratch,
            "old_step_values": swept.values,
            "unread_events": swept.unread_events,
            "dry_run": config.dry_run,
        },
    )


class ExecutionsConfig(dg.Config):
    """Which executions go. What is left out is as in the settings."""

    months: int | None = Field(default=None, ge=1, description="Whole months that stay; IMAGEFLOW_EXECUTION_MONTHS.")
    dry_run: bool = Field(default=False, description="Only say what would go.")


@dg.op
def retire_old_executions(
    config: ExecutionsConfig,
    stores: dg.ResourceParam[Stores],
    settings: dg.ResourceParam[Settings],
    after: int,  # noqa: ARG001 - the order alone
) -> dg.Output[int]:
    """Delete whole months of old executions, and objects that no execution refers to."""
    keep = settings.execution_months if config.months is None else config.months
    with explained():
        months = drop_months(stores, keep=keep, dry_run=config.dry_run)
        unused = sweep_executions(stores, dry_run=config.dry_run)
    return dg.Output(
        unused,
        metadata={
            "deleted_months": ", ".join(months.dropped) or "none",
            "kept_unfinished_months": ", ".join(months.unfinished) or "none",
            "half_deleted_months": ", ".join(months.busy) or "none",
            "deleted_objects": unused,
            "dry_run": config.dry_run,
        },
    )


@dg.op
def prune_run_logs(
    context: dg.OpExecutionContext,
    stores: dg.ResourceParam[Stores],  # noqa: ARG001 - a run that opens none does not beat, and is taken for dead
    settings: dg.ResourceParam[Settings],
    after: int,  # noqa: ARG001 - the order alone
) -> dg.Output[int]:
    """Delete the steps' events, messages and output of runs that ended IMAGEFLOW_RUN_LOG_DAYS ago."""
    deleted = prune_events(context.instance, timedelta(days=settings.run_log_days))
    return dg.Output(deleted, metadata={"deleted_events": deleted, "days": settings.run_log_days})


@dg.job(
    name="keep_in_order",
    owners=MAP.owners,
    tags=SHORT,
)
def keep_in_order_job() -> None:
    """Retire surveys by IMAGEFLOW_RETENTION_*, sweep unused objects, then delete old executions and logs of runs."""
    prune_run_logs(after=retire_old_executions(after=sweep_objects(after=retire_old_surveys())))


nightly = dg.ScheduleDefinition(
    name="nightly_upkeep",
    job=keep_in_order_job,
    cron_schedule="17 3 * * *",
    description="Run keep_in_order every night at 03:17 (UTC).",
    owners=MAP.owners,
    tags=SHORT,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


def retention(settings: Settings, *, keep: int | None = None, days: int | None = None) -> Retention:
    """Return the rule of the settings, with what is given here in its place."""
    return Retention(
        keep=settings.retention_surveys if keep is None else keep,
        older_than=timedelta(days=settings.retention_days if days is None else days),
    )
