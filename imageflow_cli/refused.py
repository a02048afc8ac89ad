"""`imageflow refused`: uploads that became nothing, each with the reason."""

import click

from imageflow_cli.console import print_json, print_table, visible
from imageflow_cli.options import as_json, with_settings
from imageflow_clients.database.inspection import manifests
from imageflow_clients.database.maps import uploads
from imageflow_clients.settings import Settings
from imageflow_clients.stores import open_stores


@click.command()
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Of each line, at most.")
@as_json
@with_settings
def refused(settings: Settings, limit: int, as_json: bool) -> None:
    """List uploads that became no survey and no batch, with the reason: mend them, and close their folder again."""
    with open_stores(settings).database.begin() as connection:
        maps = uploads.refused(connection, limit=limit)
        others = manifests.refusals(connection, limit=limit)
    found = [
        *(("map", each.prefix, each.reason, each.noticed_at) for each in maps),
        *(("inspection", each.key, each.reason, each.noticed_at) for each in others),
    ]
    if as_json:
        names = ("line", "key", "reason", "noticed_at")
        print_json([dict(zip(names, each, strict=True)) for each in found])
        return
    if not found:
        click.echo("No upload was refused.", err=True)
        return
    print_table(
        ("line", "upload", "noticed", "reason"),
        (
            (line, visible(key), f"{at:%Y-%m-%d %H:%M}", visible(reason).replace("\n", " "))
            for line, key, reason, at in found
        ),
    )
