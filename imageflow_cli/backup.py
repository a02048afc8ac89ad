"""`imageflow backup`: back up database and objects, list and check backups, make a pair of keys."""

import os
from pathlib import Path

import click

from imageflow_cli.console import print_json, print_table
from imageflow_cli.options import BACKUP, as_json, with_settings
from imageflow_clients.settings import Settings
from imageflow_domain.errors import Conflict


@click.group()
def backup() -> None:
    """Back up the database, encrypted, and the objects, into the store of IMAGEFLOW_BACKUP_URL.

    `imageflow restore` brings a backup into empty stores.
    """


@backup.command()
@as_json
@with_settings
def database(settings: Settings, as_json: bool) -> None:
    """Dump ImageFlow's and Dagster's tables, encrypted for IMAGEFLOW_BACKUP_RECIPIENTS; then delete old dumps."""
    from imageflow_backup.create import back_up_database
    from imageflow_clients.stores import open_stores

    done = back_up_database(settings, open_stores(settings))
    if as_json:
        print_json({"backup": done.name, "bytes": done.size})
    else:
        click.echo(done.name)
        click.echo(f"{done.size / 1e6:.1f} MB.", err=True)


@backup.command()
@as_json
@with_settings
def objects(settings: Settings, as_json: bool) -> None:
    """Copy new and changed objects; what was deleted or overwritten is kept for IMAGEFLOW_BACKUP_KEEP_DAYS."""
    from imageflow_backup.create import replicate_objects
    from imageflow_clients.stores import open_stores

    done = replicate_objects(settings, open_stores(settings))
    if as_json:
        print_json({"copied": done.objects, "bytes": done.size, "replaced": done.replaced})
    else:
        click.echo(f"{done.objects} objects copied ({done.size / 1e6:.1f} MB), {done.replaced} replaced.", err=True)


@backup.command("list")
@as_json
@with_settings
def list_(settings: Settings, as_json: bool) -> None:
    """List the backups of the database, oldest first."""
    from imageflow_backup.catalogue import list_backups
    from imageflow_clients.backup_store import open_backup_store

    found = list_backups(open_backup_store(settings))
    if as_json:
        print_json([{"backup": one.name, "bytes": one.size, "schema": one.schema_revision} for one in found])
    else:
        print_table(
            ("backup", "size", "schema", "made by"),
            (
                (one.name, f"{one.size / 1e6:.1f} MB", one.schema_revision, f"ImageFlow {one.imageflow}")
                for one in found
            ),
        )


@backup.command()
@click.argument("name", type=BACKUP, required=False)
@with_settings
def check(settings: Settings, name: str | None) -> None:
    """Read all parts of backup NAME, by default the newest one, and compare their digests; needs no private key."""
    from imageflow_backup.catalogue import check_backup, read_backup
    from imageflow_clients.backup_store import open_backup_store

    store = open_backup_store(settings)
    found = read_backup(store, name)
    check_backup(store, found)
    click.echo(f"Backup '{found.name}' is whole: {found.size / 1e6:.1f} MB.")


@backup.command()
@click.argument("file", type=click.Path(path_type=Path))
def key(file: Path) -> None:
    """Make a private key in FILE, and print its public key for IMAGEFLOW_BACKUP_RECIPIENTS.

    Without the private key no backup can be restored. Keep it in two safe places, none of them on a machine that makes
    backups.
    """
    from imageflow_cli.whole_file import check_folder_of
    from imageflow_clients.encryption import PrivateKey

    check_folder_of(file)
    made = PrivateKey.new()
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Conflict(f"'{file}' exists already: name another file.") from error
    with os.fdopen(descriptor, "w") as written:
        written.write(f"# public key: {made.public}\n{made.secret.get_secret_value()}\n")
    click.echo(made.public)
