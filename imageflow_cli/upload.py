"""`imageflow upload`: put a folder of frames into the object store, closed so that the sensor begins its survey."""

import secrets
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.progress import Progress

from imageflow_cli.console import errors, print_json
from imageflow_cli.folder_files import files_of
from imageflow_cli.options import NAME, as_json
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import InvalidInput


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--game", required=True, type=NAME, help="Name of the game: a-z, 0-9 and _.")
@click.option("--save", required=True, type=NAME, help="Name of its save.")
@as_json
def upload(folder: Path, game: str, save: str, as_json: bool) -> None:
    """Upload FOLDER's frames; a running `imageflow up` then surveys them by itself."""
    from imageflow_cli.session import stores_only

    settings = Settings()
    files = _files(folder, settings.upload_limit_bytes)
    now = datetime.now(UTC).strftime("%Y%m%d_%H%M%S")
    batch = f"{now}_{secrets.token_hex(2)}"
    prefix = keys.map_upload(game, save, batch)
    _put(stores_only(), (game, save, batch), files, bars=not as_json)
    if as_json:
        print_json({"prefix": prefix, "files": len(files)})
    else:
        click.echo(prefix)
        click.echo(
            f"{len(files)} files uploaded: `imageflow survey list` shows the survey once it has begun.", err=True
        )


def _files(folder: Path, limit_bytes: int) -> list[Path]:
    """Return what to upload, the closing object last, and say what is left out.

    Raises `InvalidInput` with every file that cannot be uploaded, and where no picture is among them.
    """
    found = files_of(folder, keys.MAP_UPLOAD_TYPES)
    if all(path.suffix.lower() == ".csv" for path in found.taken):
        raise InvalidInput(f"'{folder}' holds no pictures: put the frames into it.")
    faults = [fault for path in found.taken if (fault := _fault(path, limit_bytes))]
    if faults:
        raise InvalidInput("\n".join(faults))
    found.tell_left_out(f"for only {', '.join(keys.MAP_UPLOAD_TYPES)} are uploaded")
    return sorted(found.taken, key=lambda path: path.name == keys.POSITIONS_FILE)


def _fault(path: Path, limit_bytes: int) -> str | None:
    try:
        keys.check_file_name(path.name)
    except InvalidInput as error:
        return str(error)
    if path.stat().st_size > limit_bytes:
        return f"'{path.name}' is larger than {limit_bytes // 1_000_000} MB."
    return None


def _put(stores: Stores, folder: tuple[str, str, str], files: list[Path], *, bars: bool) -> None:
    with Progress(console=errors, disable=not bars) as progress:
        for path in progress.track(files, description="Uploading"):
            stores.objects.put(keys.map_upload_file(*folder, path.name), path.read_bytes())
    if files[-1].name != keys.POSITIONS_FILE:
        stores.objects.put(keys.map_upload_file(*folder, keys.DONE_MARKER), b"")
