"""Games that may be surveyed by name."""

from pathlib import Path

from fastapi import APIRouter

from game_capture.registry import describe_driver
from imageflow_domain.errors import InvalidInput, NotFound
from imageflow_gateway.addresses import GatewayDep
from imageflow_gateway.schemas.games import GameList, GameSummary
from imageflow_surveys.games import list_games, load_game

router = APIRouter(prefix="/api/v1/games", tags=["games"])


@router.get("", summary="List games")
def read_games(gateway: GatewayDep) -> GameList:
    """Every game file; one that is not right says why, and hides no other."""
    folder = gateway.settings.games
    return GameList(games=[_summary(folder, game) for game in list_games(folder)])


def _summary(folder: Path, game: str) -> GameSummary:
    try:
        file = load_game(folder, game)
        settable = describe_driver(file.driver.name).settable
    except (InvalidInput, NotFound) as error:
        return GameSummary(
            game_id=game, title=None, driver=None, grid=None, savegames=[], parameters={}, problem=str(error)
        )
    return GameSummary(
        game_id=game,
        title=file.title,
        driver=file.driver.name,
        grid=file.grid,
        savegames=sorted(file.savegames),
        parameters={name: value for name, value in file.driver.parameters.items() if name in settable},
        problem=None,
    )
