"""What changed between two surveys, in the API."""

from typing import Self

from pydantic import BaseModel

from imageflow_domain.geometry import Rect
from imageflow_surveys.changes import Changes


class ChangedPlace(BaseModel):
    """Changed pixels that lie together."""

    bounds: Rect
    """In game pixels of the frame."""
    changed_px: int
    """An estimate where the comparison was not exact."""
    tiles: int
    """Native tiles that it touches."""


class ChangeList(BaseModel):
    """Changed places, largest first."""

    survey: str
    since: str
    exact: bool
    """False where so many tiles differ that a smaller zoom was compared: bounds and counts are rounded up then."""
    compared_tiles: int
    """Native tiles that both surveys have."""
    changed_tiles: int
    changed_px: int
    only_in_survey_tiles: int
    only_in_since_tiles: int
    """Tiles that only one of the two covers: they count for no change."""
    places_in_all: int
    places: list[ChangedPlace]

    @classmethod
    def of(cls, changes: Changes, survey: str, since: str, limit: int) -> Self:
        """List the largest `limit` places; counts are those of all places."""
        return cls(
            survey=survey,
            since=since,
            exact=changes.exact,
            compared_tiles=changes.compared_tiles,
            changed_tiles=changes.changed_tiles,
            changed_px=changes.changed_px,
            only_in_survey_tiles=changes.only_in_survey,
            only_in_since_tiles=changes.only_in_since,
            places_in_all=len(changes.places),
            places=[
                ChangedPlace(bounds=place.bounds, changed_px=place.changed_px, tiles=place.tiles)
                for place in changes.places[:limit]
            ],
        )
