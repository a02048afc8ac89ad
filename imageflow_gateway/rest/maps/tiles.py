"""Tiles and TileJSON: at an address that never changes, at a survey's own, and at that of the latest map."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response

from imageflow_domain.tiles import TileId
from imageflow_gateway.addresses import (
    Column,
    GameQuery,
    Revision,
    Row,
    SaveQuery,
    SurveyId,
    Zoom,
)
from imageflow_gateway.etags import matches, quoted
from imageflow_gateway.gateway import Gateway, GatewayDep
from imageflow_surveys.published import Picture, PublishedMap
from imageflow_surveys.tilejson import TileJson, tilejson

router = APIRouter(prefix="/tiles", tags=["tiles"])

FOREVER = "public, max-age=2592000, immutable"
MOVING = "public, max-age=10"

IfNoneMatch = Annotated[str | None, Header(description="Entity tags that the client has; a match is answered 304.")]

_PICTURES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/webp": {}, "image/png": {}}, "description": "The tile, 512 x 512 px."},
    304: {"description": "The tile that the client has."},
}


@router.get("/tilejson.json", summary="TileJSON of the latest map")
def read_latest_tilejson(
    request: Request, response: Response, gateway: GatewayDep, game: GameQuery = None, save: SaveQuery = None
) -> TileJson:
    """Of the map published last, of one save where `game` and `save` are given."""
    return _tilejson(request, response, gateway.maps.latest(game, save))


@router.get("/{survey}/tilejson.json", summary="TileJSON of a survey's map")
def read_tilejson(request: Request, response: Response, survey: SurveyId, gateway: GatewayDep) -> TileJson:
    """Bounds and center say where a Web Mercator viewer shows the tiles; `imageflow` holds the game's pixels."""
    return _tilejson(request, response, gateway.maps.of_survey(survey))


@router.get(
    "/{survey}/{revision}/{z}/{x}/{y}.{picture}",
    summary="A tile that never changes",
    response_class=Response,
    responses=_PICTURES,
)
def read_tile(
    survey: SurveyId,
    revision: Revision,
    z: Zoom,
    x: Column,
    y: Row,
    picture: Picture,
    gateway: GatewayDep,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A tile of one revision, to be cached for 30 days; TileJSON gives this address."""
    return _tile(gateway, survey, revision, TileId(z=z, x=x, y=y), picture, if_none_match, FOREVER)


@router.get(
    "/{survey}/{z}/{x}/{y}.{picture}",
    summary="A tile of a survey's newest revision",
    response_class=Response,
    responses=_PICTURES,
)
def read_survey_tile(
    survey: SurveyId,
    z: Zoom,
    x: Column,
    y: Row,
    picture: Picture,
    gateway: GatewayDep,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Follows the survey; ask again with its ETag."""
    revision = gateway.maps.of_survey(survey).revision
    return _tile(gateway, survey, revision, TileId(z=z, x=x, y=y), picture, if_none_match, MOVING)


@router.get("/{z}/{x}/{y}.{picture}", summary="A tile of the latest map", response_class=Response, responses=_PICTURES)
def read_latest_tile(
    z: Zoom,
    x: Column,
    y: Row,
    picture: Picture,
    gateway: GatewayDep,
    game: GameQuery = None,
    save: SaveQuery = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Follows the map published last, of one save where `game` and `save` are given; ask again with its ETag."""
    shown = gateway.maps.latest(game, save)
    return _tile(gateway, shown.survey.id, shown.revision, TileId(z=z, x=x, y=y), picture, if_none_match, MOVING)


@router.options("/{path:path}", include_in_schema=False)
async def allow_reading() -> Response:
    """Let pages of other sites ask with If-None-Match."""
    headers = {
        "access-control-allow-methods": "GET, HEAD, OPTIONS",
        "access-control-allow-headers": "If-None-Match",
        "access-control-max-age": "86400",
    }
    return Response(status_code=204, headers=headers)


def _tile(
    gateway: Gateway,
    survey: str,
    revision: str,
    tile: TileId,
    picture: Picture,
    if_none_match: str | None,
    cache_control: str,
) -> Response:
    stored = gateway.maps.tile(survey, revision, tile)
    etag = quoted(stored.digest if picture == "webp" else f"{stored.digest}-png")
    headers = {"etag": etag, "cache-control": cache_control}
    if matches(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    return Response(gateway.maps.read(survey, stored, picture), media_type=f"image/{picture}", headers=headers)


def _tilejson(request: Request, response: Response, published: PublishedMap) -> TileJson:
    response.headers["cache-control"] = MOVING
    return tilejson(
        published.survey,
        published.mosaic,
        published.revision,
        path=f"/tiles/{published.survey.id}/{published.revision}/{{z}}/{{x}}/{{y}}.webp",
        base_url=str(request.base_url).rstrip("/"),
    )
