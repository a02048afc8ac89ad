"""Inspections: what was judged, and the pictures of it."""

from datetime import date
from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from imageflow_domain.errors import InvalidInput
from imageflow_domain.inspection import Verdict
from imageflow_gateway.addresses import Limit, Place, ProductQuery, RowId
from imageflow_gateway.etags import content_digest, matches, quoted
from imageflow_gateway.gateway import GatewayDep
from imageflow_gateway.rest.inspection.inspections_schema import (
    InspectionDetail,
    ResultDetail,
    ResultList,
    ResultSummary,
)
from imageflow_images.header import read_header
from imageflow_inspection.results import (
    drawn_picture,
    find_results,
    get_inspection,
    result_in_full,
    uploaded_picture,
)

router = APIRouter(prefix="/api/v1/inspections", tags=["inspections"])

_FOREVER = "private, max-age=31536000, immutable"
_PICTURES: dict[int | str, dict[str, object]] = {
    200: {"content": {"image/jpeg": {}, "image/png": {}, "image/webp": {}, "image/bmp": {}}},
    304: {"description": "The picture that the client has."},
}


@router.get("/results", summary="Find results")
def list_results(
    gateway: GatewayDep,
    inspection: Annotated[
        int | None, Query(ge=1, lt=2**63, description="Only of this one, which may be a former one.")
    ] = None,
    batch: Annotated[
        int | None, Query(ge=1, lt=2**63, description="Only of this batch, by its id, also where it was replaced.")
    ] = None,
    product: ProductQuery = None,
    begins: Annotated[date | None, Query(description="Only those judged on this day (UTC) or later.")] = None,
    ends: Annotated[date | None, Query(description="Only those judged before this day.")] = None,
    verdict: Annotated[Verdict | None, Query(description="Only those with this one.")] = None,
    former: Annotated[
        bool,
        Query(
            description="Also those of former inspections, and of versions of a batch that a later, inspected one "
            "replaced."
        ),
    ] = False,
    after: Annotated[
        str | None, Query(pattern="^[0-9]{1,18}-[0-9]{1,9}$", description="`next` of the page before.")
    ] = None,
    limit: Limit = 100,
) -> ResultList:
    """One a picture: of the newest inspection first, in the order of its pictures.

    Only inspections that count, of the newest inspected version of each batch, unless `inspection`, `batch` or `former`
    asks for others.
    """
    last, _, place = (after or "").partition("-")
    page = gateway.use(find_results)(
        inspection=inspection,
        batch=batch,
        product=product,
        begins=begins,
        ends=ends,
        verdict=verdict,
        former=former,
        after=(int(last), int(place)) if after else None,
        limit=limit,
    )
    return ResultList(results=[ResultSummary.of(each) for each in page.items], next=page.next)


@router.get("/{inspection}", summary="One inspection")
def read_inspection(inspection: RowId, gateway: GatewayDep) -> InspectionDetail:
    """Its counts, and the master, pipelines and models by which it was made."""
    return InspectionDetail.of(gateway.use(get_inspection)(inspection))


@router.get("/{inspection}/results/{place}", summary="One result")
def read_result(inspection: RowId, place: Place, gateway: GatewayDep) -> ResultDetail:
    """Every item's verdict with what was found, and what people said of it."""
    return ResultDetail.in_full(gateway.use(result_in_full)(inspection, place))


@router.get(
    "/{inspection}/results/{place}/picture",
    summary="The picture as it was uploaded",
    response_class=Response,
    responses=_PICTURES,
)
def read_picture(
    inspection: RowId, place: Place, gateway: GatewayDep, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """To the byte; what is no picture is offered as a file."""
    picture = gateway.use(uploaded_picture)(inspection, place)
    checksum = content_digest(bytes.fromhex(picture.version))
    headers = {"etag": quoted(picture.version), "content-digest": checksum, "cache-control": _FOREVER}
    if matches(if_none_match, headers["etag"]):
        return Response(status_code=304, headers=headers)
    data = picture.read()
    kind = _media_type(data)
    if kind is None:  # whatever it is, no page of ours shows it
        return Response(
            data, media_type="application/octet-stream", headers={**headers, "content-disposition": "attachment"}
        )
    return Response(data, media_type=kind, headers=headers)


@router.get(
    "/{inspection}/results/{place}/marked",
    summary="The picture with what was found drawn on it",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, 304: {"description": "The picture that the client has."}},
)
def read_marked(
    inspection: RowId, place: Place, gateway: GatewayDep, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """Made of pictures that did not pass."""
    picture = gateway.use(drawn_picture)(inspection, place)
    headers = {"etag": quoted(picture.version), "cache-control": "private, no-cache"}
    if matches(if_none_match, headers["etag"]):
        return Response(status_code=304, headers=headers)
    data = picture.read()
    headers["content-digest"] = content_digest(sha256(data).digest())
    return Response(data, media_type="image/jpeg", headers=headers)


def _media_type(data: bytes) -> str | None:
    try:
        with read_header(data) as header:
            return f"image/{(header.format or '').lower()}"
    except InvalidInput:
        return None
