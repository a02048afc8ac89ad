"""From the command line's options to a driver's own parameters, which the driver's model then validates."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imageflow_domain.errors import InvalidInput
from imageflow_surveys.game_yaml import parse_yaml

_OPTIONS_OF = {
    "folder": {"source", "step", "skip_bad", "unordered"},
    "city": {"seed"},
    "openttd": {"seed", "load", "centre"},
    "x11": set(),
}
"""Options that mean something to each driver; another driver's option is a mistake that is better said."""


def driver_parameters(
    driver: str, *, settings: tuple[str, ...], source: Path | None, in_file: Mapping[str, Any], **options: Any
) -> dict[str, Any]:
    """Return the parameters that the options given for `driver` stand for.

    Args:
        settings: NAME=VALUE, the value in YAML.
        source: Where the frames lie; it is no parameter, but only the folder driver has it, and needs it.
        in_file: Parameters of the game's YAML, which the options override.
        options: The other driver options by name; `None` and False were not given.

    Raises:
        InvalidInput: For an option of another driver, a folder driver without frames, or text that is not YAML.
    """
    given = {name: value for name, value in options.items() if value is not None and value is not False}
    options_given = given.keys() | ({"source"} if source is not None else set())
    foreign = sorted(options_given - _OPTIONS_OF[driver])
    if foreign:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in foreign)
        raise InvalidInput(f"The {driver} driver has no {named}: `imageflow survey run --help` says whose it is.")
    if driver == "folder" and source is None:
        raise InvalidInput("The folder driver needs frames: name their folder with --source.")
    # The user of the command line may read the targets of these links anyway.
    own = {"follow_links": True} if driver == "folder" else {}
    parameters = {**own, **in_file, **{name: _plain(value) for name, value in given.items()}}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise InvalidInput(f"'{setting}' is not NAME=VALUE.")
        parameters[name.strip()] = parse_yaml(text, f"--set {name}")
    return parameters


def _plain(value: Any) -> Any:
    return str(value.absolute()) if isinstance(value, Path) else value
