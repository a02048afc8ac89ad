"""`imageflow up`: start the local stack, say where it is, and end it with Ctrl-C."""

import signal
import time
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from imageflow_cli.console import errors
from imageflow_cli.options import with_settings
from imageflow_cli.ports import is_free
from imageflow_clients.database.core.connecting import embedded_server
from imageflow_clients.settings import Settings
from imageflow_domain.errors import Unavailable
from imageflow_edge.openness import check_openness

if TYPE_CHECKING:
    from imageflow_cli.stack import Stack

_LOOK_S = 1.0


@click.command()
@click.option(
    "--host", help="Address to listen on (default 127.0.0.1: this machine alone); others need IMAGEFLOW_OPEN=1."
)
@click.option("--port", type=click.IntRange(1, 65_535), help="The map's port (default 8080).")
@click.option("--dagster-port", type=click.IntRange(1, 65_535), help="Dagster's port (default 3000).")
@click.option("--grpc-port", type=click.IntRange(0, 65_535), help="The engine's port (default 50051); 0: no gRPC.")
@with_settings
def up(settings: Settings, host: str | None, port: int | None, dagster_port: int | None, grpc_port: int | None) -> None:
    """Start everything on this machine: database, Dagster, sensors, the engine and the map. Ctrl-C ends it."""
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
    for what, option, number in (
        ("the map", "--port", settings.gateway_port),
        ("Dagster", "--dagster-port", settings.dagster_port),
        ("gRPC", "--grpc-port", settings.engine_grpc_port),
    ):
        if not is_free(settings.host, number):
            raise Unavailable(f"Port {number}, for {what}, is in use on {settings.host}: name another with {option}.")
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
            errors.print("Ctrl-C stops all of them.")
            _keep_up(stack, settings)
    except KeyboardInterrupt:
        errors.print("Stopped.")  # the way in which a stack is meant to end
    finally:
        starting.stop()
        _stop_database(settings)


def _stop_database(settings: Settings) -> None:
    """Stop the embedded server at once, unless another process of ours still uses it."""
    server = embedded_server(settings)
    if server is not None:
        server.stop()


def _keep_up(stack: "Stack", settings: Settings) -> NoReturn:
    while True:
        time.sleep(_LOOK_S)
        ended = stack.keep_up()
        if ended is not None:
            errors.print(
                f"[yellow]Warning:[/] '{ended}' had ended and was started again; see {settings.home_path}/logs."
            )


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's shape
    raise KeyboardInterrupt
