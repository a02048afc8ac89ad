"""Game files: what the API may start by name. A request never brings a command or a path."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from game_capture.registry import describe_driver
from imageflow_domain.errors import InvalidInput, NotFound, WrongSettings
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import BLOCK_SIDE, Grid
from imageflow_domain.ids import Name, check_name
from imageflow_domain.mistakes import mistakes_of
from imageflow_domain.recipe import Recipe
from imageflow_domain.survey import DriverSpec, Encoding, Keep, SurveySpec
from imageflow_surveys.game_yaml import read_yaml


class GameFile(BaseModel):
    """One game, as a file says how it is surveyed: `games/{game}.yaml`, or any other file."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    title: str = Field(max_length=200)
    """Display name of the game."""
    driver: DriverSpec
    """Name and parameters of what drives it: `{name: x11, parameters: {...}}`."""
    source: str | None = None
    """A folder of frames, relative to the game file; for the folder driver."""
    grid: Grid | None = None
    """How many areas to take: `{rows: 6, cols: 6}`; by default as many as the source has."""
    masks: tuple[Rect, ...] = ()
    """Displays over the map in every picture, in its pixels: `{x_px: 0, y_px: 0, width_px: 9, height_px: 9}`."""
    reach_px: int | None = Field(default=None, ge=1, le=4096)
    """Largest error of a position against its neighbour's; by default the driver's own."""
    block_side: int = Field(default=BLOCK_SIDE, ge=1, le=100)
    """Areas on a block's side: the unit of work and retry."""
    keep: Keep | None = None
    """What becomes of the screenshots, `keep` or `delete`; by default those are deleted that can be taken again."""
    encoding: Encoding = Encoding()
    """How tiles are encoded."""
    savegames: dict[Name, str] = Field(default_factory=dict)
    """OpenTTD's savegames by the name under which a request may ask for them, relative to the game file."""


class JobRequest(BaseModel):
    """What `POST /api/jobs` takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    game_id: Name
    save_data_id: Name
    grid: Grid | None = None
    seed: int | None = Field(default=None, ge=0, le=2**32 - 1)
    savegame: Name | None = None
    parameters: dict[str, Any] = Field(default_factory=dict, max_length=100)
    """Of the game's driver, over those of its file: only such as `GET /api/v1/drivers` calls settable."""

    @field_validator("parameters")
    @classmethod
    def _are_finite(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        """JSON has neither NaN nor Infinity (RFC 8259, section 6), but Python reads both, and 1e999 too."""
        left: list[Any] = [parameters]
        while left:
            value = left.pop()
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError("every number must be finite")
            if isinstance(value, dict):
                left.extend(value.values())
            elif isinstance(value, list):
                left.extend(value)
        return parameters


@dataclass(frozen=True, kw_only=True)
class Game:
    """A game that a request may name."""

    name: str
    file: GameFile
    settable: Mapping[str, Any]
    """Those of its driver's parameters that a request may set, as the file has them."""


@dataclass(frozen=True, kw_only=True)
class BrokenGame:
    """A game whose file is not right."""

    name: str
    problem: str


def describe_games(folder: Path) -> tuple[Game | BrokenGame, ...]:
    """Return every game that has a file in a folder, by name."""
    return tuple(_described(folder, game) for game in list_games(folder))


def _described(folder: Path, game: str) -> Game | BrokenGame:
    try:
        file = load_game(folder, game)
        settable = describe_driver(file.driver.name).settable
    except (InvalidInput, NotFound) as error:
        return BrokenGame(name=game, problem=str(error))
    parameters = {name: value for name, value in file.driver.parameters.items() if name in settable}
    return Game(name=game, file=file, settable=parameters)


def list_games(folder: Path) -> tuple[str, ...]:
    """Return the names of all game files in a folder, sorted; whether a file is right is not checked."""
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


def load_game(folder: Path, game: str) -> GameFile:
    """Read one game file; raise `NotFound`, or `InvalidInput` with every field that is wrong."""
    path = folder / f"{check_name(game)}.yaml"
    if not path.is_file():
        known = ", ".join(list_games(folder)) or "none"
        raise NotFound(f"There is no game '{game}' in '{folder}': known are {known}.")
    return _checked(f"'{path.name}'", read_yaml(path))


def read_content(path: Path) -> dict[str, Any]:
    """Return a file's description of a game: a game file's content, also if it has only the `x11` driver's parameters.

    The driver checks its parameters where it is opened. Raises `InvalidInput` with a sentence for every other mistake.
    """
    return check_content(read_yaml(path), f"'{path.name}'")


def check_content(content: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a text's description of a game, as `read_content` does for a file.

    Args:
        name: What messages call it.
    """
    if "driver" in content:
        return _checked(name, content).model_dump(mode="json", exclude_unset=True)
    return {"driver": DriverSpec(name="x11", parameters=content).model_dump(mode="json")}


def _checked(name: str, content: dict[str, Any]) -> GameFile:
    try:
        return GameFile.model_validate(content)
    except ValidationError as error:
        said = f"The game file {name} is not right:"
        raise WrongSettings(said, mistakes_of(error, GameFile.model_json_schema())) from error


def survey_spec(folder: Path, request: JobRequest) -> SurveySpec:
    """Return the survey that a request asks for; raise `NotFound` or `InvalidInput`."""
    game = load_game(folder, request.game_id)
    parameters: dict[str, Any] = {**game.driver.parameters, **_settable(game.driver.name, request.parameters)}
    if request.seed is not None:
        parameters["seed"] = request.seed
    if request.savegame is not None:
        if request.savegame not in game.savegames:
            known = ", ".join(sorted(game.savegames)) or "none"
            raise NotFound(f"Game '{request.game_id}' has no savegame '{request.savegame}': known are {known}.")
        parameters["load"] = str(_beside(folder, game.savegames[request.savegame]))
    return SurveySpec(
        game=request.game_id,
        save=request.save_data_id,
        driver=DriverSpec(name=game.driver.name, parameters=parameters),
        source=str(_beside(folder, game.source)) if game.source else None,
        grid=request.grid or game.grid,
        masks=game.masks,
        reach_px=game.reach_px,
        block_side=game.block_side,
        keep=game.keep,
        encoding=game.encoding,
        recipe=Recipe(
            path=str((folder / f"{request.game_id}.yaml").absolute()),
            content=game.model_dump(mode="json", exclude_unset=True),
        ),
    )


def _settable(driver: str, parameters: dict[str, Any]) -> dict[str, Any]:
    settable = describe_driver(driver).settable
    refused = sorted(parameters.keys() - settable)
    if refused:
        known = ", ".join(sorted(settable)) or "none"
        raise InvalidInput(
            f"A request may not set {', '.join(refused)} of driver '{driver}', only the game's file may: "
            f"settable are {known}."
        )
    return parameters


def _beside(folder: Path, name: str) -> Path:
    """Resolve a path of a game file, which its writer may point anywhere: game files are configuration."""
    return (folder / name).expanduser().resolve()
