"""`imageflow restore`: bring a backup into empty stores."""

from pathlib import Path

import click

from imageflow_cli.console import print_json
from imageflow_cli.options import BACKUP, as_json, with_settings
from imageflow_clients.settings import Settings


@click.command()
@click.argument("name", type=BACKUP, required=False)
@click.option(
    "--identity",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the private key of age.",
)
@click.option("--keep-objects", is_flag=True, help="Restore the database only; the object store stays as it is.")
@as_json
@with_settings
def restore(settings: Settings, name: str | None, identity: Path, keep_objects: bool, as_json: bool) -> None:
    """Restore backup NAME, by default the newest one, into the empty stores that the settings name.

    IMAGEFLOW_BACKUP_URL names the backups. Rows are counted and sampled objects are compared; then the database is
    migrated to this version's schema.
    """
    from imageflow_backup.restore import restore_backup
    from imageflow_clients.database.core.engine import migrate_database
    from imageflow_clients.encryption import read_private_keys
    from imageflow_resources.storage import migrate_instance

    keys = read_private_keys(identity.read_text(encoding="utf-8"))
    done = restore_backup(settings, keys, name=name, keep_objects=keep_objects)
    migrate_database(settings)
    migrate_instance(settings)
    done.check()
    if as_json:
        print_json({"backup": done.backup.name, "rows": done.rows, "objects": done.objects, "compared": done.samples})
        return
    click.echo(done.backup.name)
    click.echo(
        f"{done.rows} rows and {done.objects} objects ({done.size / 1e6:.1f} MB) restored; row counts and "
        f"{done.samples} sampled objects are those of the backup.",
        err=True,
    )
