"""`imageflow up`: start the local stack, say where it is, and end it with Ctrl-C, or with a command."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from imageflow_cli.console import errors
from imageflow_cli.options import with_settings
from imageflow_clients.database.core.connecting import embedded_server
from imageflow_clients.settings import Settings
from imageflow_domain.errors import InvalidInput
from imageflow_edge.openness import check_openness
from imageflow_edge.ports import check_port

if TYPE_CHECKING:
    from imageflow_cli.stack import Stack

_LOOK_S = 1.0
_SIGNALLED = 128
"""Shells add the signal's number to it for a command that a signal ended."""


@click.command()
@click.option(
    "--host", help="Address to listen on (default 127.0.0.1: this machine alone); others need IMAGEFLOW_OPEN=1."
)
@click.option("--port", type=click.IntRange(1, 65_535), help="The map's port (default 8080).")
@click.option("--dagster-port", type=click.IntRange(1, 65_535), help="Dagster's port (default 3000).")
@click.option("--grpc-port", type=click.IntRange(0, 65_535), help="The engine's port (default 50051); 0: no gRPC.")
@click.option("--stay", is_flag=True, help="Stay up once COMMAND has succeeded.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
@with_settings
def up(
    settings: Settings,
    host: str | None,
    port: int | None,
    dagster_port: int | None,
    grpc_port: int | None,
    stay: bool,
    command: tuple[str, ...],
) -> None:
    """Start everything on this machine: database, Dagster, sensors, the engine and the map. Ctrl-C ends it.

    A COMMAND after `--` is run once everything is ready, and everything ends with it, and with its exit code:
    `imageflow up -- imageflow run edges photo.jpg`.
    """
    from imageflow_assets.map.requesting import rebuild_partitions
    from imageflow_cli.session import open_session
    from imageflow_cli.stack import Stack
    from imageflow_resources.pools import set_pools

    given: dict[str, Any] = {
        "host": host,
        "gateway_port": port,
        "dagster_port": dagster_port,
        "engine_grpc_port": grpc_port,
    }
    settings = settings.model_copy(update={name: value for name, value in given.items() if value is not None})
    check_openness(settings)
    if command and shutil.which(command[0], path=_path()) is None:
        raise InvalidInput(f"'{command[0]}' is no command that can be run: name one after '--'.")
    for option, number in (
        ("--port", settings.gateway_port),
        ("--dagster-port", settings.dagster_port),
        ("--grpc-port", settings.engine_grpc_port),
    ):
        check_port(settings.host, number, option)
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, _interrupt)  # also where a shell began this with SIGINT ignored
    starting = errors.status("Starting PostgreSQL, Dagster and the map ...")
    starting.start()
    try:
        session = open_session(settings)
        set_pools(session.instance, settings)
        rebuild_partitions(session.instance, session.stores)
        with Stack(settings) as stack:
            starting.stop()
            click.echo(f"Map:      {settings.gateway_url}/")
            click.echo(f"Dagster:  {settings.dagster_pages_url}/")
            if settings.engine_grpc_port:
                click.echo(f"gRPC:     {settings.reachable_grpc}")
            if stay or not command:
                errors.print("Ctrl-C stops all of them.")
            if command:
                code = _run_beside(stack, settings, command)
                if code != 0 or not stay:
                    sys.exit(code if code >= 0 else _SIGNALLED - code)
            while True:
                _keep_up(stack, settings)
    except KeyboardInterrupt:
        errors.print("Stopped.")  # the way in which a stack is meant to end
        if command and not stay:
            sys.exit(_SIGNALLED + signal.SIGINT)
    finally:
        starting.stop()
        _stop_database(settings)


def _stop_database(settings: Settings) -> None:
    """Stop the embedded server at once, unless another process of ours still uses it."""
    server = embedded_server(settings)
    if server is not None:
        server.stop()


def _run_beside(stack: "Stack", settings: Settings, command: Sequence[str]) -> int:
    """Run a command with the stack's settings, and the `imageflow` of this installation; return its exit code."""
    environment = {
        **os.environ,
        "PATH": _path(),
        "IMAGEFLOW_HOME": str(settings.home_path),
        "IMAGEFLOW_HOST": settings.host,
        "IMAGEFLOW_GATEWAY_PORT": str(settings.gateway_port),
        "IMAGEFLOW_DAGSTER_PORT": str(settings.dagster_port),
        "IMAGEFLOW_ENGINE_GRPC_PORT": str(settings.engine_grpc_port),
    }
    try:
        child = subprocess.Popen(command, env=environment)
    except OSError as error:
        raise InvalidInput(f"'{command[0]}' cannot be run: {error.strerror}.") from error
    try:
        while True:
            try:
                return child.wait(_LOOK_S)
            except subprocess.TimeoutExpired:
                _keep_up(stack, settings, wait_s=0)
    finally:
        child.terminate()
        child.wait()


def _path() -> str:
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def _keep_up(stack: "Stack", settings: Settings, *, wait_s: float = _LOOK_S) -> None:
    time.sleep(wait_s)
    ended = stack.keep_up()
    if ended is not None:
        errors.print(f"[yellow]Warning:[/] '{ended}' had ended and was started again; see {settings.home_path}/logs.")


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's shape
    raise KeyboardInterrupt
