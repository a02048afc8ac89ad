"""`imageflow migrate`: bring the database to this version's schema."""

import click

from imageflow_cli.options import with_settings
from imageflow_clients.settings import Settings


@click.command()
@with_settings
def migrate(settings: Settings) -> None:
    """Bring the database to the schema of this version, and Dagster's own tables to those of its version.

    The embedded database is migrated by itself. For the one that IMAGEFLOW_DATABASE_URL names, run this once before
    the first start and after each update. Older processes that may use the new schema go on meanwhile.
    """
    from imageflow_clients.database.core.engine import migrate_database
    from imageflow_resources.storage import migrate_instance

    before, now = migrate_database(settings)
    migrate_instance(settings)
    if before == now:
        click.echo(f"The database has schema {now} already.", err=True)
    else:
        click.echo(
            f"The database had {'no tables' if before is None else f'schema {before}'}, and has schema {now} now.",
            err=True,
        )
