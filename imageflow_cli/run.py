"""`imageflow run`: images through a pipeline on a running server."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imageflow_cli.console import print_json
from imageflow_cli.execution_output import print_steps, steps_as_json
from imageflow_cli.media_endings import ending_of
from imageflow_cli.options import as_json, with_settings
from imageflow_cli.pipeline_output import check_pictures, read_file
from imageflow_cli.whole_file import whole_file
from imageflow_clients.settings import Settings
from imageflow_domain.errors import ImageFlowError, InvalidInput
from imageflow_domain.executions import ExecutionState, Priority
from imageflow_domain.file_names import derived_name

if TYPE_CHECKING:
    from imageflow.client import Execution
    from imageflow.client.request import Options

_PATH = click.Path(path_type=Path)
_AT_ONCE = 4
"""Images on their way; the server does as many at once as it has cores."""


@click.command()
@click.argument("pipeline")
@click.argument("images", type=_PATH, nargs=-1, required=True)
@click.option(
    "--server", help="Address of the gateway, or of an engine alone as grpc://host:port (default: this machine's)."
)
@click.option("--protocol", type=click.Choice(["auto", "rest", "grpc"]), default="auto", show_default=True)
@click.option("--out", type=_PATH, help="Folder for the outputs, made if missing. Without it they are only listed.")
@click.option("--set", "parameters", multiple=True, metavar="STEP.PARAMETER=VALUE", help="Replace a parameter.")
@click.option("--priority", type=click.Choice(["low", "normal", "high"]), default="normal", show_default=True)
@click.option(
    "--deadline", "deadline_s", type=click.FloatRange(min=1), default=60.0, show_default=True, help="In seconds."
)
@click.option("--steps", is_flag=True, help="Also show how long each step took.")
@as_json
@with_settings
def run(
    settings: Settings,
    pipeline: str,
    images: tuple[Path, ...],
    server: str | None,
    protocol: str,
    out: Path | None,
    parameters: tuple[str, ...],
    priority: str,
    deadline_s: float,
    steps: bool,
    as_json: bool,
) -> None:
    """Process each IMAGE by the published PIPELINE (name or name@version) on a running server, such as `imageflow up`.

    Outputs are written as soon as their image is done. The executions are found again in the server's history.
    """
    from imageflow.client import AsyncClient

    address = server or settings.gateway_url
    options: Options = {
        "pipeline": pipeline,
        "parameters": dict(map(_pair, parameters)),
        "priority": Priority.parse(priority),
        "client_id": "imageflow run",
    }
    check_pictures(images, out)

    failures: list[ImageFlowError] = []

    async def one(client: AsyncClient, places: asyncio.Semaphore, image: Path) -> None:
        async with places:
            try:
                done = await client.process(read_file(image), deadline_s=deadline_s, **options)
                files = _written(done, image, out)
            except ImageFlowError as error:
                failures.append(error)
                click.echo(f"{image}: {error}", err=True)
                return
            _show(image, done, files, address, steps=steps, as_json=as_json)
            if done.state is not ExecutionState.COMPLETED:
                failures.append(InvalidInput(done.error.message if done.error else f"{done.id} is {done.state}."))

    async def everything() -> None:
        async with AsyncClient(address, protocol=protocol) as client:
            places = asyncio.Semaphore(_AT_ONCE)
            await asyncio.gather(*(one(client, places, image) for image in images))

    asyncio.run(everything())
    if len(images) == 1 and failures:
        raise failures[0]
    if failures:
        raise InvalidInput(
            f"{len(failures)} of {len(images)} images failed for the reasons above; the others are done."
        )


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise InvalidInput(f"'{text}' is not STEP.PARAMETER=VALUE.")
    return name, value


def _written(done: "Execution", image: Path, out: Path | None) -> dict[str, Path]:
    """Write the outputs, `{stem}.{output}.{ending}`; return the files by output."""
    if out is None:
        return {}
    outputs = {name: each for name, each in done.outputs.items() if each is not None}
    files = {
        name: out / derived_name(image.stem, f".{name}.{ending_of(each.media_type)}") for name, each in outputs.items()
    }
    for name, file in files.items():
        with whole_file(file) as partial:
            partial.write_bytes(outputs[name].data)
    return files


def _show(image: Path, done: "Execution", files: dict[str, Path], server: str, *, steps: bool, as_json: bool) -> None:
    if as_json:
        print_json(_facts(image, done, files))
        return
    reason = f": {done.error.message}" if done.error else ""
    click.echo(f"{image}: {done.state}{reason} ({done.id})")
    for name, output in done.outputs.items():
        said = "nothing: a branch went another way" if output is None else f"{output.media_type}, {output.size:,} bytes"
        click.echo(f"  {name}: {files.get(name, said)}")
    if not server.startswith("grpc"):
        click.echo(f"  found again at: {server.rstrip('/')}/api/v1/executions/{done.id}")
    if steps:
        print_steps(done)


def _facts(image: Path, done: "Execution", files: dict[str, Path]) -> dict[str, Any]:
    return {
        "image": str(image),
        "execution_id": str(done.id),
        "status": done.state,
        "error": done.error and done.error.message,
        "outputs": {
            name: output
            and {
                "sha256": output.sha256,
                "size": output.size,
                "media_type": output.media_type,
                "file": str(files[name]) if name in files else None,
            }
            for name, output in done.outputs.items()
        },
        "steps": steps_as_json(done),
    }
