"""Games, and the drivers that take their pictures, in the API."""

from typing import Any, Self

from pydantic import BaseModel

from imageflow_domain.grid import Grid
from imageflow_surveys.games import BrokenGame, Game


class GameSummary(BaseModel):
    """A game that `POST /api/jobs` may start."""

    game_id: str
    title: str | None
    driver: str | None
    grid: Grid | None
    savegames: list[str]
    parameters: dict[str, Any]
    """What its file sets of those parameters of the driver that `POST /api/jobs` may set."""
    problem: str | None
    """Why it cannot be started: what is wrong with its file."""

    @classmethod
    def of(cls, game: Game | BrokenGame) -> Self:
        """Give only the name and the problem of a game whose file is wrong."""
        if isinstance(game, BrokenGame):
            return cls(
                game_id=game.name,
                title=None,
                driver=None,
                grid=None,
                savegames=[],
                parameters={},
                problem=game.problem,
            )
        return cls(
            game_id=game.name,
            title=game.file.title,
            driver=game.file.driver.name,
            grid=game.file.grid,
            savegames=sorted(game.file.savegames),
            parameters=dict(game.settable),
            problem=None,
        )


class GameList(BaseModel):
    """Games by their ids."""

    games: list[GameSummary]


class DriverFacts(BaseModel):
    """A game driver, and what may be asked of it."""

    name: str
    parameters: dict[str, Any]
    """JSON Schema of all its parameters."""
    settable: list[str]
    """Those that `POST /api/jobs` may set; the others only the game's file sets: paths, commands, programs."""
    moves_freely: bool
    """It can go to any position, not only to the cells of its own grid."""


class DriverList(BaseModel):
    """Drivers by their names."""

    drivers: list[DriverFacts]
