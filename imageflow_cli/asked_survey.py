"""From `survey run`'s options, and the game's YAML where one is named, to the spec of the survey."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from imageflow_cli.driver_parameters import driver_parameters
from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Grid
from imageflow_domain.ids import check_name
from imageflow_domain.recipe import Recipe
from imageflow_domain.survey import DriverSpec, Encoding, SurveySpec
from imageflow_surveys.games import read_content


def asked_survey(
    *,
    driver: str | None,
    game: str | None,
    save: str,
    config: Path | None,
    source: Path | None,
    grid: Grid | None,
    masks: Sequence[Rect],
    reach_px: int | None,
    block_side: int | None,
    keep: str | None,
    lossless_method: int | None,
    **options: Any,
) -> SurveySpec:
    """Return the spec: the file's settings, overridden by the options.

    Args:
        options: Those of the drivers, as `driver_parameters` takes them.

    Raises:
        InvalidInput: For mistakes in the file, and options that are missing or do not go together.
    """
    content = {} if config is None else read_content(config)
    in_file = content.get("driver", {})
    name = driver or in_file.get("name")
    if name is None:
        raise InvalidInput("Say what to survey: --driver NAME, or --config FILE with the YAML that describes the game.")
    if config is not None and name != in_file["name"]:
        raise InvalidInput(f"'{config}' describes a game of driver {in_file['name']}, not {name}: leave --driver out.")
    if source is None and config is not None and "source" in content:
        source = config.parent / content["source"]
    parameters = driver_parameters(name, source=source, in_file=in_file.get("parameters", {}), **options)
    given = {
        "grid": grid,
        "masks": tuple(masks) or None,
        "reach_px": reach_px,
        "block_side": block_side,
        "keep": keep,
        "encoding": None if lossless_method is None else Encoding(lossless_method=lossless_method),
    }
    return SurveySpec.model_validate(
        {
            "game": game or _game_of(config),
            "save": save,
            "driver": DriverSpec(name=name, parameters=parameters),
            "source": str(source.absolute()) if source else None,
            "recipe": None if config is None else Recipe(path=str(config.absolute()), content=content),
            **_said(content, given),
            **_said(given, given),
        }
    )


def _said(values: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the values of these names that are there."""
    return {name: values[name] for name in names if values.get(name) is not None}


def _game_of(config: Path | None) -> str:
    """Return the game's name, which is its file's where no other is given."""
    if config is None:
        raise InvalidInput("Name the game with --game: a-z, 0-9 and _.")
    try:
        return check_name(config.stem)
    except InvalidInput as error:
        raise InvalidInput(f"Name the game with --game, as '{config.stem}' cannot be its name: {error}") from error
