"""Make the levels above the squares, and switch the survey's addresses to its new revision as the last step."""

from dataclasses import dataclass

import cv2
import numpy as np

from imageflow_clients.database import layers, tiles
from imageflow_clients.database import surveys as rows
from imageflow_clients.database.tiles import StoredTile
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import NotReady
from imageflow_domain.survey import Layer, Survey
from imageflow_domain.tiles import LEVELS_IN_SQUARE, TILE_PX, TileId
from imageflow_mosaic.codec import Pixels, decode_tile, encode_webp
from imageflow_mosaic.pyramid import make_tile, parent_of

THUMBNAIL_PX = 768


@dataclass(frozen=True, kw_only=True)
class Overview:
    """What came of a survey's upper levels."""

    levels: int
    tiles: int
    """Of all levels together."""
    size_bytes: int
    thumbnail: bytes
    """WebP, its longer side at most `THUMBNAIL_PX`."""


def make_overviews(stores: Stores, survey: Survey) -> Overview:
    """Build every level above the squares, then publish the revision in one transaction.

    Raises:
        NotReady: Where the tiles of a block are missing.
    """
    mosaic = survey.placed()
    top_zoom = mosaic.frame.native_zoom - LEVELS_IN_SQUARE + 1
    with stores.database.begin() as connection:
        progress = layers.progress(connection, survey.id)
        tops = frozenset(tiles.at_zoom(connection, survey.id, mosaic.revision, top_zoom))
    missing = sorted(progress.blocks - progress.done_blocks[Layer.TILES])
    if missing:
        raise NotReady(f"'{survey.id}' lacks the tiles of block {missing[0].key}: materialise tiles first.")
    pyramid = _Pyramid(stores, survey, tops)
    pyramid.build(TileId(z=0, x=0, y=0))
    thumbnail = pyramid.thumbnail()
    stores.objects.put(keys.thumbnail(survey.id, mosaic.revision), thumbnail)
    with stores.database.begin() as connection:
        # one transaction: whoever asks sees the old map or the new one, whole
        tiles.record(connection, survey.id, mosaic.revision, pyramid.stored)
        tiles.count_usage(connection, survey.id, mosaic.revision, survey.grid.cols)
        rows.publish(connection, survey)
        count, size = tiles.totals(connection, survey.id, mosaic.revision)
    return Overview(levels=mosaic.frame.native_zoom + 1, tiles=count, size_bytes=size, thumbnail=thumbnail)


class _Pyramid:
    """Builds tiles from their children, depth first: four pictures a level are held at once."""

    def __init__(self, stores: Stores, survey: Survey, tops: frozenset[TileId]) -> None:
        mosaic = survey.placed()
        self._stores = stores
        self._survey_id = survey.id
        self._revision = mosaic.revision
        self._encoding = survey.spec.encoding
        self._native_zoom = mosaic.frame.native_zoom
        self._bounds = mosaic.bounds
        self._top_zoom = mosaic.frame.native_zoom - LEVELS_IN_SQUARE + 1
        self._covered = _with_ancestors(tops)
        self._thumbnail_zoom = self._zoom_for_thumbnail()
        self._thumbnail: dict[TileId, Pixels] = {}
        self.stored: list[StoredTile] = []
        """The tiles made so far."""

    def build(self, tile: TileId) -> Pixels:
        """Return a tile's lossless pixels, RGBA, having stored it and all between it and the squares' tops."""
        if tile.z == self._top_zoom:
            pixels = self._top(tile)
        else:
            pixels = parent_of({child: self.build(child) for child in tile.children if child in self._covered})
            self._store(tile, pixels)
        if tile.z == self._thumbnail_zoom:
            self._thumbnail[tile] = pixels
        return pixels

    def thumbnail(self) -> bytes:
        """Return the whole mosaic as one small WebP."""
        scale = self._native_zoom - self._thumbnail_zoom
        left, top = self._bounds.x_px >> scale, self._bounds.y_px >> scale
        right, bottom = -(-self._bounds.right_px >> scale), -(-self._bounds.bottom_px >> scale)
        canvas = np.zeros((bottom - top + 2 * TILE_PX, right - left + 2 * TILE_PX, 4), np.uint8)
        first_x, first_y = left // TILE_PX, top // TILE_PX
        for tile, pixels in self._thumbnail.items():
            x, y = (tile.x - first_x) * TILE_PX, (tile.y - first_y) * TILE_PX
            canvas[y : y + TILE_PX, x : x + TILE_PX] = pixels
        x, y = left - first_x * TILE_PX, top - first_y * TILE_PX
        picture = canvas[y : y + bottom - top, x : x + right - left]
        shrink = min(1.0, THUMBNAIL_PX / max(picture.shape[:2]))
        size = (max(1, round(picture.shape[1] * shrink)), max(1, round(picture.shape[0] * shrink)))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        return encode_webp(small, lossless=False, method=4, quality=80)

    def _zoom_for_thumbnail(self) -> int:
        longer_px = max(self._bounds.width_px, self._bounds.height_px)
        zoom = self._top_zoom
        while zoom > 0 and longer_px >> (self._native_zoom - zoom + 1) >= THUMBNAIL_PX:
            zoom -= 1
        return zoom

    def _top(self, tile: TileId) -> Pixels:
        key = keys.square_top(self._survey_id, self._revision, tile)
        return decode_tile(self._stores.objects.get(key, next_step=f"materialise tiles of '{self._survey_id}' again"))

    def _store(self, tile: TileId, pixels: Pixels) -> None:
        cut = make_tile(tile, pixels, self._native_zoom, self._encoding)
        if cut is None:
            return
        with self._stores.database.begin() as connection:
            size = tiles.known_digests(connection, [cut.digest]).get(cut.digest)
        if size is None:
            data = cut.encode()
            self._stores.objects.put(keys.tile(cut.digest), data)
            size = len(data)
        self.stored.append(StoredTile(id=tile, digest=cut.digest, bytes=size))


def _with_ancestors(tops: frozenset[TileId]) -> frozenset[TileId]:
    """Return the tops and every tile above them."""
    covered = set(tops)
    level = set(tops)
    while level and next(iter(level)).z > 0:
        level = {tile.parent for tile in level}
        covered |= level
    return frozenset(covered)
