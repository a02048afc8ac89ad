"""Games that may be surveyed by name."""

from fastapi import APIRouter

from imageflow_gateway.gateway import GatewayDep
from imageflow_gateway.rest.maps.games_schema import GameList, GameSummary
from imageflow_surveys.games import describe_games

router = APIRouter(prefix="/api/v1/games", tags=["games"])


@router.get("", summary="List games")
def read_games(gateway: GatewayDep) -> GameList:
    """Every game file; one that is not right says why, and hides no other."""
    return GameList(games=[GameSummary.of(game) for game in describe_games(gateway.settings.games)])
