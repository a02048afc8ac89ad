"""TileJSON 3.0.0 of a published map.

A game's map lies nowhere on Earth. `bounds` and `center` are the longitudes and latitudes at which any XYZ viewer
(Web Mercator) shows these tiles, so that such a viewer finds them; the true, game-pixel facts are under `imageflow`.
"""

from math import atan, degrees, pi, sinh

from pydantic import BaseModel

from imageflow_domain.geometry import Rect
from imageflow_domain.survey import Mosaic, Survey
from imageflow_domain.tiles import TILE_PX

LonLat = tuple[float, float]


class FrameFacts(BaseModel):
    """The coordinate frame that all surveys of a save share."""

    number: int
    """Surveys of one save with another number lie elsewhere and cannot be compared."""
    native_zoom: int
    """The zoom at which one pixel of a tile is one pixel of the game."""
    side_px: int


class ImageFlowFacts(BaseModel):
    """What a viewer in game pixels needs."""

    survey: str
    revision: str
    game: str
    save: str
    frame: FrameFacts
    bounds: Rect
    """Of the mosaic, in game pixels of the frame: x right, y down."""
    tile_px: int
    path: str
    """The tiles' address without the host: `{z}`, `{x}` and `{y}` are to be filled in."""


class TileJson(BaseModel):
    """TileJSON 3.0.0, with `imageflow` added."""

    tilejson: str = "3.0.0"
    name: str
    version: str = "1.0.0"
    scheme: str = "xyz"
    tiles: list[str]
    """Never changes what it shows; a new revision has a new address."""
    minzoom: int
    maxzoom: int
    bounds: tuple[float, float, float, float]
    center: tuple[float, float, int]
    imageflow: ImageFlowFacts


def tilejson(survey: Survey, mosaic: Mosaic, revision: str, *, path: str, base_url: str = "") -> TileJson:
    """Describe a map.

    Args:
        path: The tiles' address without the host, with `{z}`, `{x}` and `{y}` to be filled in.
        base_url: Scheme and host that serve them; empty where `path` is relative to the TileJSON's own address.
    """
    frame, bounds = mosaic.frame, mosaic.bounds
    west, north = _lon_lat(bounds.x_px, bounds.y_px, frame.side_px)
    east, south = _lon_lat(bounds.right_px, bounds.bottom_px, frame.side_px)
    middle = _lon_lat(
        bounds.x_px + bounds.width_px / 2,
        bounds.y_px + bounds.height_px / 2,
        frame.side_px,
    )
    lowest = smallest_zoom(bounds, frame.native_zoom)
    return TileJson(
        name=survey.id,
        tiles=[f"{base_url}{path}"],
        minzoom=lowest,
        maxzoom=frame.native_zoom,
        bounds=(west, south, east, north),
        center=(*middle, lowest),
        imageflow=ImageFlowFacts(
            survey=survey.id,
            revision=revision,
            game=survey.spec.game,
            save=survey.spec.save,
            frame=FrameFacts(number=frame.number, native_zoom=frame.native_zoom, side_px=frame.side_px),
            bounds=bounds,
            tile_px=TILE_PX,
            path=path,
        ),
    )


def smallest_zoom(bounds: Rect, native_zoom: int) -> int:
    """Return the highest zoom at which the whole mosaic is no larger than one tile; below it, it only shrinks."""
    longer_px = max(bounds.width_px, bounds.height_px)
    zoom = native_zoom
    while zoom > 0 and longer_px > TILE_PX << (native_zoom - zoom):
        zoom -= 1
    return zoom


def _lon_lat(x_px: float, y_px: float, side_px: int) -> LonLat:
    return 360 * x_px / side_px - 180, degrees(atan(sinh(pi * (1 - 2 * y_px / side_px))))
