"""Markers: named places of a save."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Response

from imageflow_domain.errors import VersionMissing
from imageflow_domain.markers import MarkerText
from imageflow_gateway.addresses import GamePart, SavePart
from imageflow_gateway.errors import ErrorBody
from imageflow_gateway.gateway import GatewayDep
from imageflow_gateway.rest.maps.markers_schema import MarkerChange, MarkerIn, MarkerList, MarkerOut
from imageflow_surveys.markers import add_marker, change_marker, list_markers, remove_marker

router = APIRouter(prefix="/api/v1/saves/{game}/{save}/markers", tags=["markers"])

MarkerId = Annotated[int, Path(ge=1, lt=2**63)]
IfMatch = Annotated[str | None, Header(description="The marker's ETag as it was read, or * for whichever it is.")]

_CONDITIONAL: dict[int | str, dict[str, object]] = {
    412: {"model": ErrorBody, "description": "The marker was changed since it was read."},
    428: {"model": ErrorBody, "description": "If-Match is missing."},
}


@router.get("", summary="List markers")
def read_markers(
    game: GamePart,
    save: SavePart,
    gateway: GatewayDep,
    q: Annotated[str | None, Query(min_length=1, max_length=80, description="Part of the name.")] = None,
) -> MarkerList:
    """Markers by name, of all frames that the save has had; each names its frame."""
    found = gateway.use(list_markers)(game, save, q and q.replace("\0", ""))
    return MarkerList(markers=[MarkerOut.of(marker) for marker in found])


@router.post("", status_code=201, summary="Mark a place")
def create_marker(
    game: GamePart, save: SavePart, marker: MarkerIn, gateway: GatewayDep, response: Response
) -> MarkerOut:
    """Name a place of a map of the save: of the frame that is given, or of the latest."""
    text = MarkerText(name=marker.name, note=marker.note, colour=marker.colour)
    added = gateway.use(add_marker)(
        game, save, frame_number=marker.frame_number, x_px=marker.x, y_px=marker.y, text=text
    )
    made = MarkerOut.of(added)
    response.headers["etag"] = made.etag
    return made


@router.patch("/{marker_id}", summary="Change a marker", responses=_CONDITIONAL)
def edit_marker(
    game: GamePart,
    save: SavePart,
    marker_id: MarkerId,
    change: MarkerChange,
    gateway: GatewayDep,
    response: Response,
    if_match: IfMatch = None,
) -> MarkerOut:
    """Change what is given; needs If-Match, so that no change is overwritten unseen."""
    changed = MarkerOut.of(
        gateway.use(change_marker)(
            game,
            save,
            marker_id,
            _version(if_match),
            x_px=change.x,
            y_px=change.y,
            name=change.name,
            note=change.note,
            colour=change.colour,
        )
    )
    response.headers["etag"] = changed.etag
    return changed


@router.delete("/{marker_id}", status_code=204, summary="Delete a marker", responses=_CONDITIONAL)
def delete_marker(
    game: GamePart, save: SavePart, marker_id: MarkerId, gateway: GatewayDep, if_match: IfMatch = None
) -> None:
    """Needs If-Match."""
    gateway.use(remove_marker)(game, save, marker_id, _version(if_match))


def _version(if_match: str | None) -> int | None:
    """Return the version that an If-Match header names; one that no marker has for a tag that is none of ours."""
    if if_match is None:
        raise VersionMissing("If-Match is missing: read the marker, and send its etag back with the change.")
    tag = if_match.strip()
    if tag == "*":
        return None
    opaque = tag.strip('"')
    return int(opaque) if opaque.isascii() and opaque.isdigit() and len(opaque) < 10 else 0
