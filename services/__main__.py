"""`python -m services start|status|stop`: real servers in the background; `run` keeps them in the foreground."""

import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from imageflow_domain.errors import Conflict, ImageFlowError, Unavailable
from services import kserve
from services.build import minio_program
from services.minio import Minio
from services.postgres import Postgres
from services.rclone import Rclone

SERVERS = {server.name: server for server in (Minio, Rclone, Postgres)}
_START_S = 900.0  # a first start builds MinIO
_STOP_S = 60.0
_POLL_S = 0.1

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


@cli.command()
def build() -> None:
    """Build MinIO and install KServe, where they are not kept from an earlier time."""
    for made in (minio_program, kserve.install):
        begun = time.monotonic()
        click.echo(f"{made()} ({time.monotonic() - begun:.0f} s)")


@cli.command()
@_folder
@_names
def start(folder: Path, names: Sequence[str]) -> None:
    """Start NAMES (all by default) in the background, with empty data, and return once they answer."""
    folder.mkdir(parents=True, exist_ok=True)
    if _owner(folder) is not None:
        raise Conflict(f"Servers run in '{folder}' already: `python -m services stop` ends them.")
    with (folder / "run.log").open("wb") as log:
        owner = subprocess.Popen(
            [sys.executable, "-m", "services", "run", "--folder", str(folder), *names],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_S
    while not (folder / "ready").exists():
        if owner.poll() is not None or time.monotonic() > deadline:
            raise Unavailable(f"They did not start: {(folder / 'run.log').read_text().strip()}")
        time.sleep(_POLL_S)
    _show(folder)


@cli.command()
@_folder
@_names
def run(folder: Path, names: Sequence[str]) -> None:
    """Start NAMES (all by default) with empty data, and end them with this process."""
    folder.mkdir(parents=True, exist_ok=True)
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, _interrupt)
    with ExitStack() as stack:
        lock = stack.enter_context((folder / "owner").open("a+"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(f"Servers run in '{folder}' already.") from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        _forget(folder)
        try:
            for name in names or SERVERS:
                server = SERVERS[name](_empty(folder / name))
                stack.callback(server.stop)
                _write_variables(folder / f"{name}.env", server)
            (folder / "ready").touch()
            signal.pause()
        except KeyboardInterrupt:
            return  # the way in which it is meant to end
        finally:
            _forget(folder)


@cli.command()
@_folder
def status(folder: Path) -> None:
    """Say which servers run, and how ImageFlow comes to use them; exit code 1 where none does."""
    if _owner(folder) is None:
        click.echo("No servers run here.")
        sys.exit(1)
    _show(folder)


@cli.command()
@_folder
def stop(folder: Path) -> None:
    """End the servers; their data stay to be looked at until the next start."""
    owner = _owner(folder)
    if owner is None:
        click.echo("No servers run here.")
        return
    os.kill(owner, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_S
    while _owner(folder) is not None:
        if time.monotonic() > deadline:
            raise Unavailable(f"Process {owner} does not end.")
        time.sleep(_POLL_S)


def _owner(folder: Path) -> int | None:
    """Return the process that owns the servers of a folder. It holds its file locked, so its number is no other's."""
    try:
        with (folder / "owner").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0) or None
    except FileNotFoundError:
        return None
    return None


def _show(folder: Path) -> None:
    for file in sorted(folder.glob("*.env")):
        click.echo(f"{file.stem:10} set -a; . {shlex.quote(str(file))}; set +a")


def _forget(folder: Path) -> None:
    for file in (folder / "ready", *folder.glob("*.env")):
        file.unlink(missing_ok=True)


def _empty(folder: Path) -> Path:
    if folder.exists():
        shutil.rmtree(folder)
    return folder


def _write_variables(path: Path, server: Minio | Rclone | Postgres) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{name}={shlex.quote(value)}\n" for name, value in server.environment.items())


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command; what a user is meant to read is no traceback."""
    try:
        cli(standalone_mode=False)
    except (ImageFlowError, click.ClickException) as error:
        click.echo(f"Error: {error.format_message() if isinstance(error, click.ClickException) else error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
