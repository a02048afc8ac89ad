"""`imageflow component`: register components that are container images, list and show all components."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from imageflow_cli.component_output import print_component, print_components
from imageflow_cli.console import print_json
from imageflow_cli.options import as_json, with_settings
from imageflow_cli.pipeline_output import read_file
from imageflow_clients.settings import Settings
from imageflow_domain.errors import InvalidInput
from imageflow_domain.pipelines import RegisteredComponent

if TYPE_CHECKING:
    from imageflow_pipelines.manifest import Manifest

_PATH = click.Path(path_type=Path)
_MANIFEST = "component.yaml"


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
    registered = _register(settings, image, _manifest(file))
    if as_json:
        facts = {"component": registered.reference, "image": registered.image, "digest": registered.digest}
        print_json(facts)
    else:
        click.echo(registered.reference)


@component.command()
@click.argument("folders", type=_PATH, nargs=-1, required=True)
@click.option("--registry", help="Push the images there, e.g. registry.example.com/team. Without it they stay here.")
@click.option(
    "--lock", "lock_file", type=_PATH, default=Path("components.lock"), show_default=True, help="Keeps their digests."
)
@click.option("--register", "registers", is_flag=True, help="Also register the components.")
@as_json
@with_settings
def build(
    settings: Settings,
    folders: tuple[Path, ...],
    registry: str | None,
    lock_file: Path,
    registers: bool,
    as_json: bool,
) -> None:
    """Build the images of the components in FOLDERS whose source changed since the lock file was written.

    A folder holds component.yaml, a Containerfile and, where wanted, build.sh, which runs before.
    """
    from imageflow_clients.containers.building import BuiltImage, ImageLock, build_image, source_digest
    from imageflow_clients.containers.program import find_program

    lock = ImageLock(lock_file)
    for folder in folders:
        manifest = _manifest(folder / _MANIFEST)
        repository = f"{(registry or 'localhost/imageflow').rstrip('/')}/{manifest.name}"
        built = lock.find(folder)
        source = source_digest(folder)
        is_new = built is None or built.source != source or built.image.partition("@")[0] != repository
        if built is None or is_new:
            program = find_program(settings.container_program, manifest.reference)
            tag = f"{repository}:{manifest.version}"
            built = BuiltImage(source=source, image=build_image(program, folder, tag, push=registry is not None))
            lock.keep(folder, built)
        if registers:
            _register(settings, built.image, manifest)
        if as_json:
            print_json({"component": manifest.reference, "image": built.image, "new": is_new})
        else:
            click.echo(f"{manifest.reference} {built.image} {'built' if is_new else 'unchanged'}")


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


def _manifest(file: Path) -> "Manifest":
    from imageflow_pipelines.manifest import read_manifest

    try:
        return read_manifest(read_file(file).decode())
    except UnicodeDecodeError as error:
        raise InvalidInput(f"'{file}' is not text in UTF-8: name the YAML or JSON file of a manifest.") from error


def _register(settings: Settings, image: str, manifest: "Manifest") -> RegisteredComponent:
    from imageflow_catalog.components import register_component
    from imageflow_clients.stores import open_stores

    return register_component(open_stores(settings), image, manifest.to_data())
