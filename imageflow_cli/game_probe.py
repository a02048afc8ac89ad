"""`imageflow game probe` and `init`: measure how a game is driven, and write its YAML."""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from imageflow_cli.console import errors, print_json
from imageflow_cli.options import with_settings
from imageflow_cli.signals import on_signals
from imageflow_cli.whole_file import check_folder_of, make_folder, whole_file
from imageflow_clients.settings import Settings
from imageflow_domain.errors import InvalidInput, NoMap

if TYPE_CHECKING:
    from game_capture.staging import Staging
    from imageflow_surveys.probing import OnProgress, Probed

_WIDTH = 28

to_option = click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where pictures of what the window shows go; by default ./<game>-probe.",
)
force_option = click.option("--force", is_flag=True, help="Overwrite the YAML that is there.")
edges_option = click.option("--no-edges", is_flag=True, help="Do not look for the world's edges.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print the measurements as JSON, not the YAML.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@to_option
@click.option("--write", type=click.Path(path_type=Path, dir_okay=False), help="Write the YAML there.")
@force_option
@edges_option
@click.option("--steps", is_flag=True, help="Only do the steps of prepare and home, and keep their pictures.")
@json_option
@with_settings
def probe(
    settings: Settings,
    file: Path,
    folder: Path | None,
    write: Path | None,
    force: bool,
    no_edges: bool,
    steps: bool,
    as_json: bool,
) -> None:
    """Start the game of the YAML FILE, measure how it is driven, and print the YAML with what was measured.

    The driver is x11. What FILE lacks of scroll, step and crop is found by trying. Pictures of what the window shows
    after every step of prepare and home are kept, with coordinates drawn on.
    """
    from imageflow_surveys.game_yaml import read_text
    from imageflow_surveys.probing import described, probe_game, show_steps

    if steps and (write is not None or as_json):
        raise InvalidInput("--steps measures nothing that could be written: leave out --write and --json.")
    if write is not None:
        _check_free(write, force=force)
    game = described(read_text(file), where=f"'{file}'", folder=file.parent, title=file.stem)
    pictures = folder or Path(f"{file.stem}-probe")

    def keep(probed: "Probed") -> None:
        if write is not None:
            _write(write, probed.text)

    with _probing(settings, pictures) as asked:
        if steps:
            show_steps(game, **asked)
            return
        probed = probe_game(game, **asked, edges=not no_edges, on_measured=keep)
    _report(probed, as_json=as_json, prints=write is None)


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--name", help="Name of the game: a-z, 0-9 and _; by default its program's.")
@click.option("--window", default="1280x1024", metavar="WxH", help="Size of its window.")
@click.option("--user", help="Account that runs it, for games that refuse root: nobody.")
@click.option("--write", type=click.Path(path_type=Path, dir_okay=False), help="The YAML; by default ./<name>.yaml.")
@to_option
@force_option
@edges_option
@json_option
@with_settings
def init(
    settings: Settings,
    command: tuple[str, ...],
    name: str | None,
    window: str,
    user: str | None,
    write: Path | None,
    folder: Path | None,
    force: bool,
    no_edges: bool,
    as_json: bool,
) -> None:
    """Write a first YAML for the program COMMAND, by starting it and trying what moves its camera.

    Options of imageflow come before COMMAND. {width}, {height} and {scratch} in it stand for the window's size and a
    private folder. Where the program begins with a menu, the YAML lacks how it scrolls: add the steps that lead to the
    map to its prepare, and go on with imageflow game probe.
    """
    from game_capture.probe.rig import OtherWindow
    from imageflow_domain.ids import check_name
    from imageflow_surveys.probed_yaml import first_yaml
    from imageflow_surveys.probing import described, probe_game

    game_name = check_name(name or _name_of(command[0]))
    file = write or Path(f"{game_name}.yaml")
    _check_free(file, force=force)
    own = {"user": user} if user else {}
    parameters: dict[str, Any] = {"environment": {"HOME": "{scratch}"}, "window": list(_size(window)), **own}
    text = first_yaml(game_name, command, parameters)
    pictures = folder or Path(f"{game_name}-probe")

    def tried(text: str) -> "Probed":
        game = described(text, where="the first YAML", folder=file.parent, title=game_name)
        try:
            with _probing(settings, pictures) as asked:
                return probe_game(
                    game, **asked, edges=not no_edges, on_measured=lambda probed: _write(file, probed.text)
                )
        except OtherWindow:
            raise
        except NoMap as error:
            _write(file, text)
            raise NoMap(f"{error} {_next_steps(file, pictures)}", picture=error.picture) from error

    try:
        probed = tried(text)
    except OtherWindow as error:
        there = error.window
        click.echo(f"The window is {there.width_px}x{there.height_px} px large: the YAML says so.", err=True)
        its = {"display": parameters["window"], "window": [there.width_px, there.height_px]}
        probed = tried(first_yaml(game_name, command, parameters | its | {"window_at": [there.x_px, there.y_px]}))
    _report(probed, as_json=as_json, prints=False)


def _next_steps(file: Path, pictures: Path) -> str:
    return (
        f"'{file}' has no scroll and no step yet. Open the pictures in '{pictures}', add the steps that lead to the "
        f"map to `prepare` in '{file}', look at what they do by `imageflow game probe {file} --steps`, and once the "
        f"map is shown, run `imageflow game probe {file} --write {file} --force`."
    )


class _Asked(TypedDict):
    staging: "Staging"
    pictures: Path
    on_progress: "OnProgress"


@contextmanager
def _probing(settings: Settings, folder: Path) -> Iterator[_Asked]:
    """Yield what each probe is asked with, and say in the end where its pictures are, also where it is interrupted."""
    from imageflow_resources.games import GameDriverResource

    make_folder(folder)
    staging = GameDriverResource.of(settings).staging()
    try:
        with on_signals(_interrupt, signal.SIGINT, signal.SIGTERM), _progress_bar() as on_progress:
            yield _Asked(staging=staging, pictures=folder, on_progress=on_progress)
    except KeyboardInterrupt:
        click.echo(f"Pictures of what the window showed until then are in '{folder}'.", err=True)
        raise
    click.echo(f"Pictures of what the window showed are in '{folder}'.", err=True)


def _report(probed: "Probed", *, as_json: bool, prints: bool) -> None:
    for name, figures in probed.report.rows():
        click.echo(f"{name:<{_WIDTH}}  {figures}", err=True)
    for advice in probed.advice:
        click.echo(advice, err=True)
    if as_json:
        print_json(probed.report.as_json() | {"advice": list(probed.advice)})
    elif prints:
        click.echo(probed.text, nl=False)


def _check_free(path: Path, *, force: bool) -> None:
    """Raise where a file is there already, or its folder is not, before the work whose result it is to hold."""
    check_folder_of(path)
    if path.exists() and not force:
        raise InvalidInput(f"'{path}' is there already: name another file with --write, or overwrite it with --force.")


def _write(path: Path, text: str) -> None:
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
    click.echo(f"The YAML is written to '{path}'.", err=True)


def _name_of(program: str) -> str:
    """Make a game's name of its program's."""
    return re.sub(r"[^a-z0-9]+", "_", Path(program).name.lower()).strip("_")


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{2,4})x([0-9]{2,4})", text)
    if match is None:
        raise InvalidInput(f"--window '{text}' is not WIDTHxHEIGHT, such as 1280x1024.")
    return int(match[1]), int(match[2])


@contextmanager
def _progress_bar() -> Iterator["OnProgress"]:
    """Draw one bar for each part of the work, on a terminal; elsewhere, print its name once."""
    columns = (TextColumn("{task.description:<31}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    tasks = {}
    with Progress(*columns, console=errors, disable=not errors.is_terminal) as bars:

        def on_progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
                if not errors.is_terminal:
                    click.echo(f"{what} ...", err=True)
            bars.update(tasks[what], completed=done, total=total)

        yield on_progress


def _interrupt() -> None:
    raise KeyboardInterrupt
