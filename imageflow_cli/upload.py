"""`imageflow upload`: put a folder of frames into the object store, closed so that the sensor begins its survey."""

import secrets
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.progress import Progress

from imageflow_cli.console import errors, print_json, results
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
        results.print(prefix)
        errors.print(f"{len(files)} files uploaded: `imageflow survey list` shows the survey once it has begun.")


def _files(folder: Path, limit_bytes: int) -> list[Path]:
    """Return what to upload, the closing object last; raise `InvalidInput` with every file that cannot be."""
    if not folder.is_dir():
        raise InvalidInput(f"'{folder}' is not a folder.")
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith((".", "_")))
    large = [path.name for path in files if path.stat().st_size > limit_bytes]
    if large:
        raise InvalidInput(f"Larger than {limit_bytes // 1_000_000} MB: {', '.join(large)}.")
    files = [path for path in files if path.suffix.lower() in keys.MAP_UPLOAD_TYPES]
    if not files:
        raise InvalidInput(f"'{folder}' holds no pictures: put the frames into it.")
    return sorted(files, key=lambda path: path.name == keys.POSITIONS_FILE)


def _put(stores: Stores, folder: tuple[str, str, str], files: list[Path], *, bars: bool) -> None:
    with Progress(console=errors, disable=not bars) as progress:
        for path in progress.track(files, description="Uploading"):
            stores.objects.put(keys.map_upload_file(*folder, path.name), path.read_bytes())
    if files[-1].name != keys.POSITIONS_FILE:
        stores.objects.put(keys.map_upload_file(*folder, keys.DONE_MARKER), b"")
