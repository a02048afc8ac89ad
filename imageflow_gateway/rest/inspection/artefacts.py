"""Outputs of the steps of an item's pipeline for a picture, computed again on request."""

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Header, Path, Response

from imageflow_domain.ids import Name
from imageflow_gateway.addresses import Place, RowId
from imageflow_gateway.etags import content_digest, matches, quoted
from imageflow_gateway.gateway import GatewayDep
from imageflow_gateway.rest.inspection.artefacts_schema import ArtefactFacts, ArtefactList, FailedStep
from imageflow_inspection.artefacts import Artefact

_PREFIX = "/api/v1/inspections/{inspection}/results/{place}/items/{item}/artefacts"
router = APIRouter(prefix=_PREFIX, tags=["inspections"])

Item = Annotated[Name, Path(description="The code of an item of the master that judged.")]
Part = Annotated[str, Path(pattern="^[a-z0-9_]{1,64}$")]
_FILES: dict[int | str, dict[str, object]] = {
    200: {"content": {kind: {} for kind in ("image/png", "image/jpeg", "image/webp", "application/json")}},
    304: {"description": "What the client has."},
}


@router.get("", summary="What each step gave")
async def list_artefacts(inspection: RowId, place: Place, item: Item, gateway: GatewayDep) -> ArtefactList:
    """Outputs of every step that the verdict needed, with addresses and checksums; ways not taken are left out."""
    address = _PREFIX.format(inspection=inspection, place=place, item=item)

    def make() -> ArtefactList:
        made, failed = [], []
        for each in gateway.artefacts.of(inspection, place, item):
            if isinstance(each, Artefact):
                made.append(ArtefactFacts.of(each, address))
            else:
                failed.append(FailedStep.of(each))
        return ArtefactList(artefacts=made, failed=failed)

    return await to_thread.run_sync(make, limiter=gateway.capacity.artefacts)


@router.get("/{step}/{output}", summary="What one step gave", response_class=Response, responses=_FILES)
async def read_artefact(
    inspection: RowId,
    place: Place,
    item: Item,
    step: Part,
    output: Part,
    gateway: GatewayDep,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Pictures as PNG without loss, or as the step wrote them; everything else as JSON."""
    made = await to_thread.run_sync(
        gateway.artefacts.one, inspection, place, item, step, output, limiter=gateway.capacity.artefacts
    )
    headers = {
        "etag": quoted(made.sha256),
        "content-digest": content_digest(bytes.fromhex(made.sha256)),
        "cache-control": "private, no-cache",
    }
    if matches(if_none_match, headers["etag"]):
        return Response(status_code=304, headers=headers)
    return Response(made.data, media_type=made.media_type, headers=headers)
