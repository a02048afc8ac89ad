"""A survey's screenshots: their places as overlays, their pictures, and the strips that neighbours share."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Response

from imageflow_domain.grid import GRID_SIDE, Cell
from imageflow_gateway.addresses import SurveyId
from imageflow_gateway.errors import ErrorBody
from imageflow_gateway.etags import matches, quoted
from imageflow_gateway.gateway import GatewayDep
from imageflow_gateway.rest.maps.areas_schema import AreaColumns
from imageflow_surveys.areas import areas_of
from imageflow_surveys.pictures import find_picture, overlap_picture

router = APIRouter(prefix="/api/v1/surveys/{survey}", tags=["surveys"])

GridRow = Annotated[int, Path(ge=0, lt=GRID_SIDE)]
GridCol = Annotated[int, Path(ge=0, lt=GRID_SIDE)]

_PICTURES: dict[int | str, dict[str, object]] = {
    200: {"content": {"image/webp": {}}},
    304: {"description": "The picture that the client has."},
    410: {"model": ErrorBody, "description": "It was deleted once the tiles were made."},
}


@router.get("/areas", summary="Every area and its screenshot", response_model=AreaColumns)
def read_areas(survey: SurveyId, gateway: GatewayDep) -> Response:
    """Columns of equal length: where each lies, how sure that is, and whether its screenshot is kept."""
    columns = AreaColumns.of(gateway.use(areas_of)(survey))
    return Response(columns.model_dump_json(), media_type="application/json")


@router.get("/screenshots/{row}/{col}.webp", summary="A screenshot", response_class=Response, responses=_PICTURES)
def read_screenshot(
    survey: SurveyId,
    row: GridRow,
    col: GridCol,
    gateway: GatewayDep,
    width: Annotated[int | None, Query(ge=16, le=2048, description="Shrunk to this width; else as it is.")] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """As it was taken, without loss; or a thumbnail."""
    found = gateway.use(find_picture)(survey, Cell(row=row, col=col), width)
    headers = {"etag": quoted(found.tag), "cache-control": "public, max-age=60"}
    if matches(if_none_match, headers["etag"]):
        return Response(status_code=304, headers=headers)
    return Response(found.read(), media_type="image/webp", headers=headers)


@router.get(
    "/seams/{row}/{col}/{other_row}/{other_col}.webp",
    summary="What a screenshot shows where another lies over it",
    response_class=Response,
    responses=_PICTURES,
)
def read_seam(
    survey: SurveyId, row: GridRow, col: GridCol, other_row: GridRow, other_col: GridCol, gateway: GatewayDep
) -> Response:
    """Requested both ways around, the two pictures have one size, and are equal where both are placed right."""
    data = gateway.use(overlap_picture)(survey, Cell(row=row, col=col), Cell(row=other_row, col=other_col))
    return Response(data, media_type="image/webp", headers={"cache-control": "public, max-age=60"})
