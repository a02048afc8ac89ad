"""What a place of the map was made from, in the API."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from imageflow_domain.geometry import Rect
from imageflow_domain.placement import PlacementStatus
from imageflow_domain.survey import Layer, Survey
from imageflow_gateway.dagster_links import DagsterLinks
from imageflow_surveys.lineage import SeenShot
from imageflow_surveys.origin import TracedPlace
from imageflow_surveys.shots import shot_rect

THUMBNAIL_PX = 240
"""Width of the small pictures that links name."""


class TileFacts(BaseModel):
    """The native tile that shows a place."""

    z: int
    x: int
    y: int
    bounds: Rect
    digest: str | None
    """Of its pixels and encoder; null where the map covers nothing there."""
    url: str | None
    """Its picture, at an address that never changes."""
    survey: str | None
    """Whose run made it: the survey itself, or an earlier one of the save where nothing has changed since."""


class ShotFacts(BaseModel):
    """A screenshot that shows a place."""

    row: int
    col: int
    bounds: Rect
    """Its outline, in game pixels of the frame."""
    status: PlacementStatus
    confidence: float
    sigma_px: float
    """Standard error of the place against the survey's middle; 0 where pixels are exact."""
    digest: str | None
    kept: bool
    """Whether the picture is stored still."""
    picture: str | None
    thumbnail: str | None
    """Null once it was deleted."""


class OffsetFacts(BaseModel):
    """A verified offset between two screenshots."""

    row: int
    col: int
    other_row: int
    other_col: int
    dx: float
    dy: float
    """Where the other's top left corner lies, seen from the first's, in pixels; whole ones where pixels agree."""
    sigma_px: float
    """Standard error of the offset; 0 where pixels agree exactly."""
    votes: int
    agreement: float
    """Share of compared pixels that are exactly equal."""
    compared: int
    decisive: bool


class MadeBy(BaseModel):
    """The run that made one layer of what a place shows."""

    survey: str
    layer: Layer
    block: str | None
    """Its name; null for a layer that has no blocks."""
    at: datetime
    run_id: str | None
    """Null where nothing names it, as of blocks that an older version made."""
    run_url: str | None
    partition_url: str
    """In Dagster's UI: the layer's asset at the survey."""
    code_version: str | None
    """Of the asset, with the survey's newest materialisation; null where Dagster does not answer."""


class LineageFacts(BaseModel):
    """What one pixel of a map was made from."""

    survey: str
    revision: str
    x: int
    y: int
    tile: TileFacts
    screenshots: list[ShotFacts]
    offsets: list[OffsetFacts]
    """Of these screenshots to each other and to their neighbours."""
    made_by: list[MadeBy]
    versions_known: bool
    """False where Dagster does not answer: then no code version is found."""

    @classmethod
    def of(cls, place: TracedPlace, x: int, y: int, links: DagsterLinks) -> Self:
        """Describe what a pixel was made from, with addresses of the tile and of Dagster's pages.

        Args:
            place: What the use case found.
            x: Of the pixel, in native pixels of the frame.
            y: As `x`.
            links: To Dagster's UI.
        """
        survey, lineage, origin = place.survey, place.lineage, place.origin
        tile = lineage.tile
        address = f"/tiles/{survey.id}/{lineage.revision}/{tile.z}/{tile.x}/{tile.y}.webp"
        return cls(
            survey=survey.id,
            revision=lineage.revision,
            x=x,
            y=y,
            tile=TileFacts(
                z=tile.z,
                x=tile.x,
                y=tile.y,
                bounds=tile.rect(tile.z),
                digest=lineage.digest,
                url=None if lineage.digest is None else address,
                survey=lineage.made_in,
            ),
            screenshots=[_shot(survey, shot) for shot in lineage.shots],
            offsets=[
                OffsetFacts(
                    row=pair.reference.row,
                    col=pair.reference.col,
                    other_row=pair.moving.row,
                    other_col=pair.moving.col,
                    dx=pair.dx_px,
                    dy=pair.dy_px,
                    sigma_px=pair.sigma_px,
                    votes=pair.votes,
                    agreement=pair.agreement,
                    compared=pair.compared_px,
                    decisive=pair.decisive,
                )
                for pair in lineage.offsets
            ],
            made_by=[
                MadeBy(
                    survey=made.survey,
                    layer=made.layer,
                    block=made.block.key if made.block else None,
                    at=made.at,
                    run_id=made.run_id,
                    run_url=links.run(made.run_id) if made.run_id else None,
                    partition_url=links.partition(made.layer, made.survey),
                    code_version=made.code_version,
                )
                for made in origin.made
            ],
            versions_known=origin.versions_known,
        )


def _shot(survey: Survey, shot: SeenShot) -> ShotFacts:
    place = shot.placement
    address = f"/api/v1/surveys/{survey.id}/screenshots/{place.cell.row}/{place.cell.col}.webp"
    return ShotFacts(
        row=place.cell.row,
        col=place.cell.col,
        bounds=shot_rect(survey.view, place),
        status=place.status,
        confidence=place.confidence,
        sigma_px=place.sigma_px,
        digest=shot.digest,
        kept=shot.stored,
        picture=address if shot.stored else None,
        thumbnail=f"{address}?width={THUMBNAIL_PX}" if shot.stored else None,
    )
