"""What a place of the map was made from: its tile, the screenshots that show it, and the offsets that tie those.

After the cleanup the sealed record answers for the screenshots that are gone.
"""

from dataclasses import dataclass, replace

from imageflow_clients.database import Connection
from imageflow_clients.database.maps import placements, screenshots, tiles
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Rect
from imageflow_domain.placement import PairOffset, Placement
from imageflow_domain.survey import Survey
from imageflow_domain.tiles import TILE_PX, TileId
from imageflow_surveys.sealed_record import sealed_digests


@dataclass(frozen=True, kw_only=True)
class SeenShot:
    """One screenshot that shows the place."""

    placement: Placement
    digest: str | None
    """Of the encoded picture; `None` where neither the store nor a sealed record knows it."""
    stored: bool
    """Whether the picture itself is still there."""


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """Where one pixel of a map comes from."""

    tile: TileId
    """The native tile that shows it."""
    digest: str | None
    """Of the tile; `None` where the map covers nothing there."""
    revision: str
    made_in: str | None
    """The survey whose layer holds the tile: an earlier one of the save where nothing has changed since."""
    shots: tuple[SeenShot, ...]
    offsets: tuple[PairOffset, ...]
    """Verified offsets of these screenshots to each other and to their neighbours."""


def lineage_at(stores: Stores, survey_id: str, x_px: int, y_px: int) -> Lineage:
    """Return what the map shows at a place, and what that was made from.

    Args:
        x_px: In pixels of the survey's frame.
        y_px: The same.

    Raises:
        NotFound: No such survey.
        NotReady: Before the survey has a map.
        InvalidInput: Where the place lies outside the map.
        ObjectDamaged: Where the sealed record of its screenshots cannot be read.
    """
    with stores.database.begin() as connection:
        survey = rows.get(connection, survey_id)
        found = find_lineage(connection, survey, x_px, y_px)
    return with_sealed_digests(stores, survey, found)


def find_lineage(connection: Connection, survey: Survey, x_px: int, y_px: int) -> Lineage:
    """Return what `lineage_at` does, without the digests of screenshots that are no longer stored.

    Raises:
        NotReady: As `lineage_at`.
        InvalidInput: As `lineage_at`.
    """
    mosaic = survey.published()
    bounds = mosaic.bounds
    if not (bounds.x_px <= x_px < bounds.right_px and bounds.y_px <= y_px < bounds.bottom_px):
        raise InvalidInput(f"{x_px},{y_px} lies outside the map, which is {bounds}.")
    tile = TileId(z=mosaic.frame.native_zoom, x=x_px // TILE_PX, y=y_px // TILE_PX)
    view = survey.view
    corners = Rect(
        x_px=x_px - view.width_px + 1,
        y_px=y_px - view.height_px + 1,
        width_px=view.width_px,
        height_px=view.height_px,
    )
    shown = tiles.find(connection, survey.id, mosaic.revision, tile)
    layer = tiles.maker(connection, tiles.layer_of(connection, survey.id, mosaic.revision), tile)
    places = placements.placements(connection, survey.id, corners=corners)
    lines = [place.cell.row for place in places] or [0]
    stored = screenshots.stored(connection, survey.id, within=range(min(lines), max(lines) + 1))
    return Lineage(
        tile=tile,
        digest=None if shown is None else shown.digest,
        revision=mosaic.revision,
        made_in=None if layer is None else layer.survey_id,
        shots=tuple(
            SeenShot(
                placement=place,
                digest=stored[place.cell].digest if place.cell in stored else None,
                stored=place.cell in stored,
            )
            for place in places
        ),
        offsets=placements.offsets(connection, survey.id, touching={place.cell for place in places}),
    )


def with_sealed_digests(stores: Stores, survey: Survey, lineage: Lineage) -> Lineage:
    """Add the digests of screenshots that are no longer stored, from the sealed record; raise `ObjectDamaged`."""
    if all(shot.stored for shot in lineage.shots):
        return lineage
    sealed = sealed_digests(stores, survey)
    return replace(
        lineage,
        shots=tuple(
            shot if shot.stored else replace(shot, digest=sealed.get(shot.placement.cell)) for shot in lineage.shots
        ),
    )
