"""`python -m services kubernetes start|stop|status`."""

import shlex
import sys
import time
from pathlib import Path

import click

from services.background import Background
from services.kubernetes.cluster import Cluster
from services.kubernetes.programs import programs

_START_S = 3600.0  # a first start builds everything

_folder = click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path(".services/kubernetes"),
    help="Holds the cluster's data and logs, the images that were loaded, and its kubeconfig.",
)


@click.group()
def kubernetes() -> None:
    """A Kubernetes cluster of one node on this machine, as root. Its end leaves nothing running."""


@kubernetes.command()
def build() -> None:
    """Build the cluster's programs where they are not kept: 20 minutes on two cores."""
    begun = time.monotonic()
    for name, program in sorted(programs().items()):
        click.echo(f"{name:24} {program}")
    click.echo(f"({time.monotonic() - begun:.0f} s)")


@kubernetes.command()
@_folder
def start(folder: Path) -> None:
    """Start an empty cluster in the background, and return once pods find each other by name."""
    Background(folder).start(["kubernetes", "run", "--folder", str(folder)], within_s=_START_S)
    _show(folder)


@kubernetes.command()
@_folder
def run(folder: Path) -> None:
    """Start an empty cluster, and end it with this process."""
    background = Background(folder)
    with background.hold():
        cluster = Cluster(folder)
        cluster.start()
        try:
            background.wait()
        finally:
            cluster.stop()


@kubernetes.command()
@_folder
def status(folder: Path) -> None:
    """Show whether a cluster runs, and how to use it; exit code 1 where none does."""
    if Background(folder).owner() is None:
        click.echo("No cluster runs here.")
        sys.exit(1)
    _show(folder)


@kubernetes.command()
@_folder
def stop(folder: Path) -> None:
    """End the cluster with everything in it; images that were loaded stay for the next one."""
    if not Background(folder).stop():
        click.echo("No cluster runs here.")


def _show(folder: Path) -> None:
    found = programs()
    config = folder.resolve() / "keys" / "admin.kubeconfig"
    click.echo(f"export KUBECONFIG={shlex.quote(str(config))}")
    folders = f"{found['kubectl'].parent}:{found['helm'].parent}"
    click.echo(f"export PATH={shlex.quote(folders)}:$PATH")
