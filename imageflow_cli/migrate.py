"""`imageflow migrate`: bring the database to this version's schema."""

import time

import click

from imageflow_cli.options import with_settings
from imageflow_clients.settings import Settings
from imageflow_domain.errors import DatabaseUnavailable

_LOOK_S = 1.0


@click.command()
@click.option(
    "--wait-s",
    type=click.FloatRange(min=0),
    help="Migrate nothing, and wait for up to this many seconds until another process has migrated.",
)
@with_settings
def migrate(settings: Settings, wait_s: float | None) -> None:
    """Bring the database to the schema of this version, and Dagster's own tables to those of its version.

    The embedded database is migrated by itself. For the one that IMAGEFLOW_DATABASE_URL names, run this once before
    the first start and after each update. Older processes that may use the new schema go on meanwhile.
    """
    from imageflow_clients.database.core.engine import migrate_database
    from imageflow_resources.storage import migrate_instance

    if wait_s is not None:
        _await_migration(settings, time.monotonic() + wait_s)
        return
    before, now = migrate_database(settings)
    migrate_instance(settings)
    if before == now:
        click.echo(f"The database has schema {now} already.", err=True)
    else:
        click.echo(
            f"The database had {'no tables' if before is None else f'schema {before}'}, and has schema {now} now.",
            err=True,
        )


def _await_migration(settings: Settings, deadline: float) -> None:
    """Return once the database is migrated; raise `DatabaseUnavailable` with what is missing at the deadline."""
    from imageflow_clients.database.core.engine import open_database
    from imageflow_resources.storage import check_tables

    shown = ""
    while True:
        try:
            open_database(settings, patience_s=_LOOK_S).close()
            check_tables(settings)
        except DatabaseUnavailable as error:
            if time.monotonic() > deadline:
                raise
            if str(error) != shown:
                shown = str(error)
                click.echo(shown, err=True)
            time.sleep(_LOOK_S)
        else:
            return
