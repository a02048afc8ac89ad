"""Put a region of a survey together again from its lossless native tiles."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imageflow_clients.database.maps import tiles
from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Rect
from imageflow_domain.survey import Survey
from imageflow_domain.tiles import TILE_PX
from imageflow_surveys.stored_pictures import read_tile

MAX_PIXELS = 400_000_000


@dataclass(frozen=True, kw_only=True)
class Region:
    """Pixels of a mosaic."""

    rgb: NDArray[np.uint8]
    """(height, width, 3); black where nothing was surveyed."""
    covered: NDArray[np.bool_]
    """(height, width)."""


def read_region(stores: Stores, survey: Survey, region: Rect) -> Region:
    """Return a region at native zoom, exact to the pixel.

    Args:
        region: In pixels of the survey's frame.

    Raises:
        NotReady: Before the survey's overviews exist.
        InvalidInput: Where the region lies outside the map or has more than `MAX_PIXELS`.
        ObjectMissing: Where a tile's row stands but its object is gone.
        ObjectDamaged: Where its object is no tile.
    """
    mosaic = survey.published()
    if region.intersection(mosaic.bounds) is None:
        raise InvalidInput(f"The region lies outside the map, which is {mosaic.bounds}.")
    if region.width_px * region.height_px > MAX_PIXELS:
        raise InvalidInput(
            f"{region.width_px} x {region.height_px} pixels are more than {MAX_PIXELS // 1_000_000} megapixels: "
            f"name a part of the map with --region X,Y,W,H. The whole map is {mosaic.bounds}."
        )
    return read_at_zoom(stores, survey, region, mosaic.frame.native_zoom)


def read_at_zoom(stores: Stores, survey: Survey, region: Rect, z: int) -> Region:
    """Return a region of one zoom of a published survey, black where nothing was surveyed.

    Args:
        region: In pixels of that zoom, of the frame.

    Raises:
        NotReady: Before the survey's overviews exist.
        ObjectMissing: Where a tile's row stands but its object is gone.
        ObjectDamaged: Where its object is no tile.
    """
    revision = survey.published().revision
    rgb = np.zeros((region.height_px, region.width_px, 3), np.uint8)
    covered = np.zeros((region.height_px, region.width_px), np.bool_)
    with stores.database.begin() as connection:
        layer = tiles.layer_of(connection, survey.id, revision)
        shown = tiles.native_in(connection, layer, z, _on_tiles(region))
    for tile, stored in shown.items():
        rgba = read_tile(stores, survey.id, tile, stored.digest)
        here = tile.rect(z)
        part = here.intersection(region)
        if part is None:
            continue
        inside = np.s_[
            part.y_px - here.y_px : part.bottom_px - here.y_px, part.x_px - here.x_px : part.right_px - here.x_px
        ]
        outside = np.s_[
            part.y_px - region.y_px : part.bottom_px - region.y_px,
            part.x_px - region.x_px : part.right_px - region.x_px,
        ]
        rgb[outside] = rgba[inside][..., :3]
        covered[outside] = rgba[inside][..., 3] > 0
    return Region(rgb=rgb, covered=covered)


def _on_tiles(region: Rect) -> Rect:
    """Return the rectangle on tiles' borders around a region."""
    left, top = region.x_px // TILE_PX * TILE_PX, region.y_px // TILE_PX * TILE_PX
    right, bottom = -(-region.right_px // TILE_PX) * TILE_PX, -(-region.bottom_px // TILE_PX) * TILE_PX
    return Rect(x_px=left, y_px=top, width_px=right - left, height_px=bottom - top)
