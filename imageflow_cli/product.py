"""`imageflow product`: publish what products are inspected for from a file, list and show it."""

from pathlib import Path

import click
import yaml

from imageflow_cli.console import print_json, print_table
from imageflow_cli.options import NAME, as_json, with_settings
from imageflow_cli.pipeline_output import read_file
from imageflow_clients.database import Connection
from imageflow_clients.database.inspection import masters
from imageflow_clients.inference.opening import open_models
from imageflow_clients.settings import Settings
from imageflow_clients.stores import open_stores
from imageflow_domain.errors import InvalidInput, NotReady
from imageflow_domain.masters import Master, Product
from imageflow_inspection.product_file import ProductFile, publish_product

_PAGE = 1000


@click.group()
def product() -> None:
    """Products, and the items that their pictures are inspected for."""


@product.command()
@click.argument("file", type=click.Path(path_type=Path))
@as_json
@with_settings
def publish(settings: Settings, file: Path, as_json: bool) -> None:
    """Publish the product that FILE describes (YAML or JSON), with its pipelines: see docs/inspection.md.

    Changed items become its master's next version; the same file again changes nothing.
    """
    read = ProductFile.parse(_text(file))
    pipelines = [_text(file.parent / name) for name in read.pipelines]
    stores = open_stores(settings)
    done = publish_product(stores, read, pipelines, models=open_models(settings, stores.objects))
    if as_json:
        print_json({"product": done.master.product, "version": done.master.version, "new": done.is_new})
        return
    click.echo(f"{done.master.product}: version {done.master.version} {'is published' if done.is_new else 'stands'}.")


@product.command("list")
@as_json
@with_settings
def list_products(settings: Settings, as_json: bool) -> None:
    """List products, and which version of their master judges."""
    with open_stores(settings).database.begin() as connection:
        found = _all_products(connection)
        judging = {each.code: masters.find_published(connection, each.code) for each in found}
    if as_json:
        for each in found:
            master = judging[each.code]
            print_json({"product": each.code, "name": each.name, "version": master.version if master else None})
        return
    print_table(("product", "name", "version", "items"), [_row(each, judging[each.code]) for each in found])


@product.command()
@click.argument("code", type=NAME)
@click.option("--version", type=click.IntRange(1, 2**31 - 1), help="Of its master; the one that judges, if not given.")
@with_settings
def show(settings: Settings, code: str, version: int | None) -> None:
    """Print the product CODE as a file that `imageflow product publish` takes."""
    with open_stores(settings).database.begin() as connection:
        found = masters.get_product(connection, code)
        judging = masters.find_published(connection, code) if version is None else None
        master = judging if version is None else masters.get(connection, code, version)
    if master is None:
        raise NotReady(f"The product '{code}' has no published master: publish one, or name a draft by --version.")
    facts = {
        "product": found.code,
        "name": found.name,
        "description": found.description,
        "items": [item.model_dump(mode="json", exclude_defaults=True) for item in master.items],
    }
    click.echo(yaml.safe_dump(facts, sort_keys=False, allow_unicode=True), nl=False)


def _all_products(connection: Connection) -> list[Product]:
    found: list[Product] = []
    while page := masters.page_of_products(connection, after=found[-1].code if found else "", limit=_PAGE):
        found += page
    return found


def _row(product: Product, master: Master | None) -> tuple[str, str, str, str]:
    if master is None:
        return product.code, product.name, "", "no master is published"
    return product.code, product.name, str(master.version), ", ".join(item.code for item in master.items)


def _text(path: Path) -> str:
    try:
        return read_file(path).decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"'{path}' is not text in UTF-8: name a YAML or JSON file.") from error
