"""`imageflow component`: register components that are container images, list and show all components."""

from pathlib import Path

import click

from imageflow_cli.component_output import print_component, print_components
from imageflow_cli.console import print_json
from imageflow_cli.options import as_json, with_settings
from imageflow_cli.pipeline_output import read_file
from imageflow_clients.settings import Settings
from imageflow_domain.errors import InvalidInput

_PATH = click.Path(path_type=Path)


@click.group()
def component() -> None:
    """Components that pipelines are made of, container images among them."""


@component.command()
@click.argument("image", metavar="IMAGE@DIGEST")
@click.option("--manifest", "file", type=_PATH, required=True, help="YAML or JSON: see docs/container-components.md.")
@as_json
@with_settings
def register(settings: Settings, image: str, file: Path, as_json: bool) -> None:
    """Register a container image as a component, under the name and version of its manifest.

    A registered version never changes: the same image and manifest again change nothing, others need the next version.
    """
    from imageflow_catalog.components import register_component
    from imageflow_clients.stores import open_stores
    from imageflow_pipelines.manifest import read_manifest

    try:
        manifest = read_manifest(read_file(file).decode())
    except UnicodeDecodeError as error:
        raise InvalidInput(f"'{file}' is not text in UTF-8: name the YAML or JSON file of a manifest.") from error
    registered = register_component(open_stores(settings), image, manifest.to_data())
    if as_json:
        facts = {"component": registered.reference, "image": registered.image, "digest": registered.digest}
        print_json(facts)
    else:
        click.echo(registered.reference)


@component.command("list")
@click.option("--containers", is_flag=True, help="Only those that are container images.")
@as_json
@with_settings
def list_components(settings: Settings, containers: bool, as_json: bool) -> None:
    """List all components: ImageFlow's own and the registered container images."""
    from imageflow_catalog.components import get_registry
    from imageflow_clients.stores import open_stores
    from imageflow_pipelines.registry import describe

    every = (release.component for release in get_registry(open_stores(settings)))
    found = [each for each in every if each.container is not None or not containers]
    if as_json:
        for each in found:
            print_json(describe(each))
    else:
        print_components(found)


@component.command()
@click.argument("reference", metavar="NAME[@VERSION]")
@as_json
@with_settings
def show(settings: Settings, reference: str, as_json: bool) -> None:
    """Show a component: its ports and parameters, and its image and limits; without @VERSION the newest."""
    from imageflow_catalog.components import find_component, get_registry
    from imageflow_clients.stores import open_stores
    from imageflow_pipelines.registry import describe

    found = find_component(get_registry(open_stores(settings)), reference)
    if as_json:
        print_json(describe(found))
    else:
        print_component(found)
