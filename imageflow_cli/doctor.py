"""`imageflow doctor`: what is there, what is missing, and what to install."""

import importlib.metadata
import platform
import shutil
import sys
from collections.abc import Iterator
from ctypes.util import find_library
from dataclasses import dataclass
from pathlib import Path

import click
import psutil
from rich.text import Text

from imageflow_cli.console import print_json, print_table
from imageflow_cli.options import as_json, with_settings
from imageflow_clients.settings import Settings
from imageflow_clients.stores import open_stores
from imageflow_domain.errors import ImageFlowError, Unavailable
from imageflow_edge.ports import check_port
from imageflow_surveys.games import list_games

_GAMES_PATH = "/usr/games:/usr/local/games"
_GRABBING = ("xcb-randr", "xcb-render", "xcb-shm", "xcb-xfixes")
"""Libraries that pictures of a display are taken with."""
_LOW_DISK_BYTES = 2_000_000_000


@dataclass(frozen=True, kw_only=True)
class Examined:
    """One thing that was looked at."""

    name: str
    found: bool
    needed: bool
    """Whether ImageFlow cannot work without it; the rest serves one driver or one page."""
    text: str


@click.command()
@as_json
@with_settings
def doctor(settings: Settings, as_json: bool) -> None:
    """Check every dependency of ImageFlow, and list what to install."""
    looks = list(_looks(settings))
    if as_json:
        print_json([vars(look) for look in looks])
    else:
        print_table(("", "what", "found"), ((_mark(look), look.name, look.text) for look in looks))
    missing = [look.name for look in looks if look.needed and not look.found]
    if missing:
        raise Unavailable(f"Missing: {', '.join(missing)}.")


def _mark(look: Examined) -> Text:
    if look.found:
        return Text("ok", style="green")
    return Text("missing", style="red") if look.needed else Text("absent", style="yellow")


def _looks(settings: Settings) -> Iterator[Examined]:
    yield Examined(
        name="Python",
        found=sys.version_info >= (3, 11),
        needed=True,
        text=f"{platform.python_version()}; 3.11 or newer is needed",
    )
    yield Examined(name="ImageFlow", found=True, needed=True, text=importlib.metadata.version("imageflow"))
    free = psutil.disk_usage(str(_existing(settings))).free
    yield Examined(
        name="Disk",
        found=free > _LOW_DISK_BYTES,
        needed=True,
        text=f"{free / 1e9:.1f} GB free for {settings.home_path}",
    )
    yield from _stores(settings)
    yield _games(settings.games.absolute())
    for program, package, what in (
        ("Xvfb", "xvfb", "live games need a virtual display"),
        ("xdotool", "xdotool", "live games are driven with it"),
        ("openttd", "openttd openttd-opengfx", "the openttd driver"),
    ):
        path = shutil.which(program) or shutil.which(program, path=_GAMES_PATH)
        yield Examined(
            name=program, found=path is not None, needed=False, text=path or f"{what}: apt-get install {package}"
        )
    absent = [library for library in _GRABBING if find_library(library) is None]
    yield Examined(
        name="libxcb",
        found=not absent,
        needed=False,
        text=f"live games are grabbed with it: apt-get install {' '.join(f'lib{each}0' for each in absent)}"
        if absent
        else ", ".join(_GRABBING),
    )
    for name, port, variable in (
        ("Map's port", settings.gateway_port, "IMAGEFLOW_GATEWAY_PORT"),
        ("Dagster's port", settings.dagster_port, "IMAGEFLOW_DAGSTER_PORT"),
        ("gRPC's port", settings.engine_grpc_port, "IMAGEFLOW_ENGINE_GRPC_PORT"),
    ):
        is_free, text = _port(settings.host, port, variable)
        yield Examined(name=name, found=is_free, needed=False, text=text)


def _port(host: str, port: int, variable: str) -> tuple[bool, str]:
    if port == 0:
        return True, f"off, as {variable} is 0"
    try:
        check_port(host, port, variable)
    except ImageFlowError as error:
        return False, str(error)
    return True, f"{port} is free"


def _stores(settings: Settings) -> Iterator[Examined]:
    try:
        stores = open_stores(settings)
        stores.objects.check()
        with stores.database.begin() as connection:
            version = connection.exec_driver_sql("SHOW server_version").scalar_one()
    except ImageFlowError as error:
        yield Examined(name="Stores", found=False, needed=True, text=str(error))
        return
    embedded = "embedded" if settings.database_url is None else "given by IMAGEFLOW_DATABASE_URL"
    yield Examined(name="PostgreSQL", found=True, needed=True, text=f"{version}, {embedded}")
    yield Examined(name="Object store", found=True, needed=True, text=stores.objects.label)


def _games(folder: Path) -> Examined:
    count = len(list_games(folder))
    text = f"{count} game {'file' if count == 1 else 'files'} in '{folder}'"
    hint = "" if count else ": the API starts only what a file there names; IMAGEFLOW_GAMES names another folder"
    return Examined(name="Games", found=count > 0, needed=False, text=text + hint)


def _existing(settings: Settings) -> Path:
    path = settings.home_path
    while not path.exists():
        path = path.parent
    return path
