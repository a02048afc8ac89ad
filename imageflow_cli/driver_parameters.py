"""From the command line's options to a driver's own parameters, which the driver's model then validates."""

from pathlib import Path
from typing import Any

import yaml

from imageflow_domain.errors import InvalidInput

_OPTIONS_OF = {
    "folder": {"source", "step", "skip_bad", "unordered"},
    "city": {"seed"},
    "openttd": {"seed", "load", "centre"},
    "x11": {"config"},
}
"""Options that mean something to each driver; another driver's option is a mistake that is better said."""


def driver_parameters(
    driver: str, *, settings: tuple[str, ...], source: Path | None, config: Path | None, **options: Any
) -> dict[str, Any]:
    """Return the parameters that the options given for `driver` stand for.

    Args:
        settings: NAME=VALUE, the value in YAML.
        source: Where the frames lie; it is no parameter, but only the folder driver has it, and needs it.
        config: YAML file of parameters.
        options: The other driver options by name; `None` and False were not given.

    Raises:
        InvalidInput: For an option of another driver, a folder driver without frames, or text that is not YAML.
    """
    given = {name: value for name, value in options.items() if value is not None and value is not False}
    files = {"source": source, "config": config}
    named_files = {name for name, path in files.items() if path is not None}
    foreign = sorted((given.keys() | named_files) - _OPTIONS_OF[driver])
    if foreign:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in foreign)
        raise InvalidInput(f"The {driver} driver has no {named}: `imageflow survey run --help` says whose it is.")
    if driver == "folder" and source is None:
        raise InvalidInput("The folder driver needs frames: name their folder with --source.")
    # The user of the command line may read the targets of these links anyway.
    own = {"follow_links": True} if driver == "folder" else {}
    parameters = {**own, **_from_file(config), **{name: _plain(value) for name, value in given.items()}}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise InvalidInput(f"'{setting}' is not NAME=VALUE.")
        parameters[name.strip()] = _yaml(text, f"--set {name}")
    return parameters


def _from_file(config: Path | None) -> dict[str, Any]:
    if config is None:
        return {}
    try:
        text = config.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"'{config}' cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"'{config}' is not text in UTF-8: name the YAML file that describes the game.") from error
    parameters = _yaml(text, str(config))
    if not isinstance(parameters, dict):
        raise InvalidInput(f"'{config}' is not a YAML mapping of parameters.")
    return parameters


def _yaml(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidInput(f"{where} is not YAML: {error}") from error


def _plain(value: Any) -> Any:
    return str(value.absolute()) if isinstance(value, Path) else value
