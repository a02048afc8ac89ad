"""`imageflow execution`: executions of a running server: how they stand, what they logged, and their end."""

from uuid import UUID

import click

from imageflow_cli.console import print_json, visible
from imageflow_cli.execution_output import print_steps, steps_as_json
from imageflow_cli.options import as_json, with_settings
from imageflow_clients.settings import Settings

_id = click.argument("execution", type=click.UUID)
_server = click.option(
    "--server", help="Address of the gateway, or of an engine alone as grpc://host:port (default: this machine's)."
)


@click.group()
def execution() -> None:
    """Look at executions of a running server."""


@execution.command()
@_id
@_server
@as_json
@with_settings
def show(settings: Settings, execution: UUID, server: str | None, as_json: bool) -> None:
    """Show how EXECUTION stands, and what each step took and used."""
    from imageflow.client import Client

    with Client(server or settings.gateway_url) as client:
        found = client.get(execution)
    if as_json:
        error = found.error and found.error.message
        print_json(
            {
                "execution_id": str(found.id),
                "pipeline": found.pipeline,
                "status": found.state,
                "attempt": found.attempt,
                "error": error,
                "steps": steps_as_json(found),
            }
        )
        return
    reason = f": {visible(found.error.message)}" if found.error else ""
    click.echo(f"{found.pipeline}: {found.state}{reason}")
    print_steps(found)


@execution.command()
@_id
@_server
@click.option("--follow", is_flag=True, help="Wait for further lines until the execution has ended.")
@click.option("--after", default="", metavar="CURSOR", help="Only what comes after a line, by its `cursor`.")
@as_json
@with_settings
def logs(settings: Settings, execution: UUID, server: str | None, follow: bool, after: str, as_json: bool) -> None:
    """Show what the steps of EXECUTION logged."""
    from imageflow.client import Client

    with Client(server or settings.gateway_url) as client:
        for line in client.logs(execution, after=after, follow=follow):
            if as_json:
                print_json({**vars(line), "at": line.at.isoformat()})
            else:
                at = line.at.astimezone()
                click.echo(f"{at:%H:%M:%S.%f} {line.level:<8} {line.step or '-'}: {visible(line.text)}")


@execution.command()
@_id
@_server
@with_settings
def cancel(settings: Settings, execution: UUID, server: str | None) -> None:
    """Cancel EXECUTION: at once where it waits, within two seconds where it is worked on."""
    from imageflow.client import Client

    with Client(server or settings.gateway_url) as client:
        click.echo(f"{execution}: {client.cancel(execution).state}")
