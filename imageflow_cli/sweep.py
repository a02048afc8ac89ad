"""`imageflow sweep`: delete the objects that nothing needs."""

from datetime import timedelta

import click

from imageflow_cli.console import print_json
from imageflow_cli.options import as_json, with_settings
from imageflow_clients.settings import Settings


@click.command()
@click.option(
    "--grace-hours",
    type=click.FloatRange(min=0),
    default=24.0,
    show_default=True,
    help="How long a tile must not have been needed.",
)
@click.option("--dry-run", is_flag=True, help="Only count.")
@as_json
@with_settings
def sweep(settings: Settings, grace_hours: float, dry_run: bool, as_json: bool) -> None:
    """Delete unused objects: tiles that no survey shows, found so by two sweeps a day apart, and leftovers.

    A running `imageflow up` sweeps every night by itself.
    """
    from imageflow_clients.stores import open_stores
    from imageflow_executions.upkeep import sweep_objects
    from imageflow_surveys.sweep import sweep as sweep_stores

    stores = open_stores(settings)
    swept = sweep_stores(stores, grace=timedelta(hours=grace_hours), dry_run=dry_run)
    of_executions = sweep_objects(stores, dry_run=dry_run)
    if as_json:
        print_json({**vars(swept), "of_executions": of_executions})
        return
    would = "would be " if dry_run else ""
    click.echo(f"{swept.deleted} tiles {would}deleted.")
    click.echo(f"{swept.noted} more {would}noted as not needed: the next sweep after {grace_hours:g} h takes them.")
    for survey in swept.surveys:
        click.echo(f"Objects left of the deleted survey '{survey}' {would}deleted.")
    if of_executions:
        click.echo(f"{of_executions} objects that no execution refers to {would}deleted.")
    if swept.unfinished:
        click.echo(f"{swept.unfinished} half-written files deleted.")
    if swept.scratch:
        click.echo(f"{swept.scratch} working folders of killed games deleted.")
    if swept.values:
        click.echo(f"{swept.values} values that steps of runs handed on a month ago deleted.")
    if swept.unread_events:
        click.echo(
            f"{swept.unread_events} events are kept until the sensors report_verdicts and send_alerts have read them."
        )
