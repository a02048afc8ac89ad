"""`python -m services start|status|stop`: real servers in the background; `run` keeps them in the foreground."""

import os
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from imageflow_domain.errors import ImageFlowError
from services import kserve, protoc
from services.background import Background
from services.build import helm_program, minio_program
from services.kubernetes.commands import kubernetes
from services.minio import Minio
from services.postgres import Postgres
from services.rclone import Rclone

SERVERS = {server.name: server for server in (Minio, Rclone, Postgres)}
_START_S = 900.0  # a first start builds MinIO

_folder = click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path(".services"),
    help="Holds the servers' data and logs, and a file of variables for each.",
)
_names = click.argument("names", nargs=-1, type=click.Choice(sorted(SERVERS)))


@click.group()
def cli() -> None:
    """Real servers for tests and development, on free ports of 127.0.0.1."""


cli.add_command(kubernetes)


@cli.command()
def build() -> None:
    """Build MinIO and Helm, install KServe and protoc, where they are not kept from an earlier time."""
    for made in (minio_program, helm_program, kserve.install, protoc.ENVIRONMENT.install):
        begun = time.monotonic()
        click.echo(f"{made()} ({time.monotonic() - begun:.0f} s)")


@cli.command()
@_folder
@_names
def start(folder: Path, names: Sequence[str]) -> None:
    """Start NAMES (all by default) in the background, with empty data, and return once they answer."""
    Background(folder).start(["run", "--folder", str(folder), *names], within_s=_START_S)
    _show(folder)


@cli.command()
@_folder
@_names
def run(folder: Path, names: Sequence[str]) -> None:
    """Start NAMES (all by default) with empty data, and end them with this process."""
    background = Background(folder)
    with background.hold(), ExitStack() as stack:
        stack.callback(_forget, folder)
        _forget(folder)
        for name in names or SERVERS:
            server = SERVERS[name](_empty(folder / name))
            stack.callback(server.stop)
            _write_variables(folder / f"{name}.env", server)
        background.wait()


@cli.command()
@_folder
def status(folder: Path) -> None:
    """Show which servers run, and how ImageFlow comes to use them; exit code 1 where none does."""
    if Background(folder).owner() is None:
        click.echo("No servers run here.")
        sys.exit(1)
    _show(folder)


@cli.command()
@_folder
def stop(folder: Path) -> None:
    """End the servers; their data stay to be looked at until the next start."""
    if not Background(folder).stop():
        click.echo("No servers run here.")


def _show(folder: Path) -> None:
    for file in sorted(folder.glob("*.env")):
        click.echo(f"{file.stem:10} set -a; . {shlex.quote(str(file))}; set +a")


def _forget(folder: Path) -> None:
    for file in folder.glob("*.env"):
        file.unlink(missing_ok=True)


def _empty(folder: Path) -> Path:
    if folder.exists():
        shutil.rmtree(folder)
    return folder


def _write_variables(path: Path, server: Minio | Rclone | Postgres) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{name}={shlex.quote(value)}\n" for name, value in server.environment.items())


def main() -> None:
    """Run the command; what a user is meant to read is no traceback."""
    try:
        cli(standalone_mode=False)
    except (ImageFlowError, click.ClickException) as error:
        click.echo(f"Error: {error.format_message() if isinstance(error, click.ClickException) else error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
