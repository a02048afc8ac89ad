"""Saves: which there are, and one region of a map over a save's surveys."""

from typing import Annotated, Literal

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Response

from imageflow_domain.geometry import Rect
from imageflow_gateway.addresses import GamePart, SavePart
from imageflow_gateway.etags import matches, quoted
from imageflow_gateway.gateway import GatewayDep
from imageflow_gateway.rest.maps.surveys_schema import SaveFacts, SaveList
from imageflow_surveys import saves as use_cases
from imageflow_surveys.animation import animate, save_over_time

router = APIRouter(prefix="/api/v1/saves", tags=["saves"])

_Pixel = Annotated[int, Query(ge=0, lt=2**31)]
_Side = Annotated[int, Query(ge=1, lt=2**31)]


@router.get("", summary="List saves")
def list_saves(gateway: GatewayDep) -> SaveList:
    """Every save that has a survey, by game and name."""
    return SaveList(saves=[SaveFacts.of(save) for save in gateway.use(use_cases.list_saves)()])


@router.get(
    "/{game}/{save}/animation.{kind}",
    summary="A region over time",
    response_class=Response,
    responses={200: {"content": {"image/gif": {}, "image/webp": {}}}, 304: {"description": "As the client has it."}},
)
async def read_animation(
    game: GamePart,
    save: SavePart,
    kind: Literal["gif", "webp"],
    gateway: GatewayDep,
    x: _Pixel,
    y: _Pixel,
    width: _Side,
    height: _Side,
    max_side: Annotated[int, Query(ge=16, le=1024, description="Of the picture's longer side, in pixels.")] = 512,
    frame_ms: Annotated[int, Query(ge=20, le=10_000, description="How long each survey is shown.")] = 700,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The region as each published survey of the save shows it, oldest first, at most 60; it repeats for ever."""
    shown = await to_thread.run_sync(gateway.use(save_over_time), game, save)
    headers = {"etag": quoted(f"{shown.version}-{kind}-{max_side}-{frame_ms}"), "cache-control": "no-cache"}
    if matches(if_none_match, headers["etag"]):
        return Response(status_code=304, headers=headers)

    def make() -> bytes:
        region = Rect(x_px=x, y_px=y, width_px=width, height_px=height)
        return gateway.use(animate)(shown, region, max_side_px=max_side, frame_ms=frame_ms, kind=kind)

    data = await to_thread.run_sync(make, limiter=gateway.capacity.animations)
    return Response(data, media_type=f"image/{kind}", headers=headers)
