"""`imageflow upload`: put a folder of frames into the object store, closed so that the sensor begins its survey."""

import secrets
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.progress import Progress

from imageflow_cli.console import errors, print_json
from imageflow_cli.options import NAME, as_json, with_settings
from imageflow_cli.picture_folder import as_json as skipped_json
from imageflow_cli.picture_folder import files_of, print_skipped
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import BadFile, InvalidInput
from imageflow_domain.file_names import why_no_map_file


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--game", required=True, type=NAME, help="Name of the game: a-z, 0-9 and _.")
@click.option("--save", required=True, type=NAME, help="Name of its save.")
@as_json
@with_settings
def upload(settings: Settings, folder: Path, game: str, save: str, as_json: bool) -> None:
    """Upload FOLDER's frames; a running `imageflow up` then surveys them by itself."""
    from imageflow_clients.stores import open_stores

    files, skipped = _files(folder, settings.upload_limit_bytes)
    if not as_json:
        print_skipped(skipped)
    now = datetime.now(UTC).strftime("%Y%m%d_%H%M%S")
    batch = f"{now}_{secrets.token_hex(2)}"
    prefix = keys.map_upload(game, save, batch)
    _put(open_stores(settings), (game, save, batch), files, bars=not as_json)
    if as_json:
        print_json({"prefix": prefix, "files": len(files), "skipped": skipped_json(skipped)})
    else:
        click.echo(prefix)
        click.echo(
            f"{len(files)} files uploaded: `imageflow survey list` shows the survey once it has begun.", err=True
        )


def _files(folder: Path, limit_bytes: int) -> tuple[list[Path], list[BadFile]]:
    """Return what to upload, the closing object last, and what is skipped.

    Raises `InvalidInput` with every file that cannot be uploaded, and where no picture is among them.
    """
    files, skipped = files_of(folder, why_no_map_file)
    if all(path.suffix.lower() == ".csv" for path in files):
        raise InvalidInput(f"'{folder}' holds no pictures: put the frames into it.")
    large = [path.name for path in files if path.stat().st_size > limit_bytes]
    if large:
        raise InvalidInput("\n".join(f"'{name}' is larger than {limit_bytes // 1_000_000} MB." for name in large))
    return sorted(files, key=lambda path: path.name == keys.POSITIONS_FILE), skipped


def _put(stores: Stores, folder: tuple[str, str, str], files: list[Path], *, bars: bool) -> None:
    with Progress(console=errors, disable=not bars) as progress:
        for path in progress.track(files, description="Uploading"):
            stores.objects.put(keys.map_upload_file(*folder, path.name), path.read_bytes())
    if files[-1].name != keys.POSITIONS_FILE:
        stores.objects.put(keys.map_upload_file(*folder, keys.DONE_MARKER), b"")
