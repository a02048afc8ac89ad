"""Game files: what the API may start by name. A request never brings a command or a path."""

import math
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from game_capture.registry import describe_driver
from imageflow_domain.errors import InvalidInput, NotFound
from imageflow_domain.faults import describe_faults
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import BLOCK_SIDE, Grid
from imageflow_domain.ids import Name, check_name
from imageflow_domain.survey import DriverSpec, Encoding, Keep, SurveySpec


class GameFile(BaseModel):
    """One `games/{game}.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(max_length=200)
    driver: DriverSpec
    source: str | None = None
    """A folder of frames, relative to the game file."""
    grid: Grid | None = None
    masks: tuple[Rect, ...] = ()
    reach_px: int | None = None
    block_side: int = Field(default=BLOCK_SIDE, ge=1, le=100)
    """Areas on a block's side."""
    keep: Keep | None = None
    encoding: Encoding = Encoding()
    savegames: dict[Name, str] = Field(default_factory=dict)
    """Savegame files by the name under which a request may ask for them, relative to the game file."""


class JobRequest(BaseModel):
    """What `POST /api/jobs` takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    game_id: Name
    save_data_id: Name
    grid: Grid | None = None
    seed: int | None = Field(default=None, ge=0, le=2**32 - 1)
    savegame: Name | None = None
    parameters: dict[str, Any] = Field(default_factory=dict, max_length=100)
    """Of the game's driver, over those of its file: only such as `GET /api/drivers` calls settable."""

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


def list_games(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


def load_game(folder: Path, game: str) -> GameFile:
    """Read one game file; raise `NotFound`, or `InvalidInput` with every field that is wrong."""
    path = folder / f"{check_name(game)}.yaml"
    if not path.is_file():
        known = ", ".join(list_games(folder)) or "none"
        raise NotFound(f"There is no game '{game}' in '{folder}': known are {known}.")
    try:
        return GameFile.model_validate(yaml.safe_load(path.read_text()))
    except yaml.YAMLError as error:
        raise InvalidInput(f"The game file '{path.name}' is not right: {error}") from error
    except ValidationError as error:
        raise InvalidInput(f"The game file '{path.name}' is not right: {describe_faults(error)}.") from error


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
    try:
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
        )
    except ValidationError as error:
        faults = "; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors())
        raise InvalidInput(f"Game '{request.game_id}' cannot be surveyed so: {faults}.") from error


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
