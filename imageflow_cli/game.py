"""`imageflow game`: describe a game in YAML, measure how it is driven, and see that the description is right."""

from pathlib import Path

import click

from game_capture.registry import DRIVERS
from imageflow_cli.console import print_json
from imageflow_cli.game_probe import init, probe


@click.group()
def game() -> None:
    """Describe games in YAML, by which they are surveyed."""


@game.command()
@click.option(
    "--parameters",
    type=click.Choice(sorted(DRIVERS)),
    metavar="DRIVER",
    help="Of a file with this driver's parameters alone, as --config takes it for x11.",
)
def schema(parameters: str | None) -> None:
    """Print the JSON Schema of a game's YAML: every setting with its default.

    Editors check a file against it whose first line is

    \b
    # yaml-language-server: $schema=game.schema.json
    """
    from imageflow_surveys.game_schema import game_schema, parameters_schema

    print_json(game_schema() if parameters is None else parameters_schema(parameters))


@game.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def check(file: Path) -> None:
    """Say every mistake in the YAML FILE of a game, or that there is none; start nothing."""
    from game_capture.registry import named_files
    from imageflow_domain.survey import DriverSpec
    from imageflow_surveys.files_beside import read_local
    from imageflow_surveys.games import read_content
    from imageflow_surveys.probing import check_measured

    content = read_content(file)
    driver = DriverSpec.model_validate(content["driver"])
    check_measured(driver, file=file)
    names = named_files(driver)
    for name in names:
        read_local(file.parent, name)
    beside = f", with {len(names)} files beside it" if names else ""
    click.echo(f"'{file}' is right: a game of driver {driver.name}{beside}.", err=True)


game.add_command(probe)
game.add_command(init)
