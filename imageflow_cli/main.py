"""Entry point: the command group, and the one place where errors become a sentence and an exit code."""

import atexit
import gc
import sys
from typing import NoReturn

import click
from pydantic import ValidationError

from imageflow_domain.errors import CaptureError, GameMissing, ImageFlowError, InvalidInput, NotFound, Unavailable
from imageflow_domain.faults import describe_faults

EXIT_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (InvalidInput, 2),
    (NotFound, 3),
    (Unavailable, 4),
    (GameMissing, 4),
    (CaptureError, 5),
    (ImageFlowError, 1),
)
_INTERRUPTED = 130


class _Group(click.Group):
    """Imports a command's module only when it is used: `--help` answers at once."""

    _modules = {  # noqa: RUF012 - never changed
        "survey": ("imageflow_cli.survey", "survey"),
        "pipeline": ("imageflow_cli.pipeline", "pipeline"),
        "component": ("imageflow_cli.component", "component"),
        "product": ("imageflow_cli.product", "product"),
        "inspect": ("imageflow_cli.inspect", "inspect"),
        "model": ("imageflow_cli.model", "model"),
        "up": ("imageflow_cli.up", "up"),
        "engine": ("imageflow_cli.engine", "engine"),
        "run": ("imageflow_cli.run", "run"),
        "execution": ("imageflow_cli.execution", "execution"),
        "sweep": ("imageflow_cli.sweep", "sweep"),
        "backup": ("imageflow_cli.backup", "backup"),
        "restore": ("imageflow_cli.restore", "restore"),
        "migrate": ("imageflow_cli.migrate", "migrate"),
        "doctor": ("imageflow_cli.doctor", "doctor"),
        "upload": ("imageflow_cli.upload", "upload"),
        "game": ("imageflow_cli.game", "game"),
        "refused": ("imageflow_cli.refused", "refused"),
    }

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in self._modules:
            return None
        module, name = self._modules[cmd_name]
        command: click.Command = getattr(__import__(module, fromlist=[name]), name)
        return command


@click.command(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 wrong input, 3 not found, 4 something that is needed is missing or down, "
    "5 the game could not be driven, 6 pictures did not pass, 130 interrupted.",
)
@click.version_option(package_name="imageflow")
def cli() -> None:
    """Turn images into data assets you can trust: survey a game's map and browse it, or inspect products."""


def main() -> NoReturn:
    """Run the command line; never show a traceback for an error that a user is meant to read."""
    # Before it ends, Python would collect garbage in Dagster's modules once more, for most of a second.
    atexit.register(gc.freeze)
    try:
        cli(standalone_mode=False)
    except ImageFlowError as error:
        _end(error)
    except ValidationError as error:
        _end(InvalidInput(f"{describe_faults(error)}."))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        sys.exit(_INTERRUPTED)
    sys.exit(0)


def _end(error: ImageFlowError) -> NoReturn:
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {error}", err=True)
    cause = getattr(error, "cause", type(error))
    sys.exit(next(code for kind, code in EXIT_CODES if issubclass(cause, kind)))


if __name__ == "__main__":
    main()
