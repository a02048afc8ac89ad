"""Make the levels above the squares, and switch the survey's addresses to its new revision as the last step."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from imageflow_clients.database import Connection
from imageflow_clients.database.maps import dependencies, layers, tile_objects, tiles
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.database.maps.tiles import StoredTile, TileLayer, TileRow
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import NotReady, ObjectMissing, UnusableImage
from imageflow_domain.survey import Layer, Survey
from imageflow_domain.tiles import LEVELS_IN_SQUARE, TILE_PX, TileId
from imageflow_mosaic.codec import Pixels, decode_tile, encode_webp
from imageflow_mosaic.pyramid import make_tile, parent_of
from imageflow_surveys import trust
from imageflow_surveys.findings import Severity, TilesWhole
from imageflow_surveys.stored_pictures import read_tile
from imageflow_surveys.tile_writing import write_missing

THUMBNAIL_PX = 768


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The result of a survey's upper levels."""

    levels: int
    tiles: int
    """Of all levels together."""
    size_bytes: int
    thumbnail: bytes
    """WebP, its longer side at most `THUMBNAIL_PX`."""
    tiles_whole: TilesWhole
    """Whether every promised tile is there, looked at before publishing."""
    withheld: str | None
    """Why the revision was not published, as a message for people."""


def make_overviews(stores: Stores, survey: Survey, *, publish_despite_errors: bool = False) -> Overview:
    """Build every level above the squares where it differs from the base layer's, then publish the revision.

    The overviews of a revision that was published or withheld before are built anew, all of them. A revision of which
    something is known to be wrong is not published: addresses show what they showed before.

    Args:
        publish_despite_errors: Whether it is published all the same.

    Raises:
        NotReady: Where the tiles of a block are missing.
        ObjectMissing: Where a tile that the levels above are averaged from is gone.
        ObjectDamaged: Where it is no tile.
    """
    mosaic = survey.placed()
    with stores.database.begin() as connection:
        progress = layers.progress(connection, survey.id)
        missing = sorted(progress.blocks - progress.done_blocks[Layer.TILES])
        if missing:
            raise NotReady(f"'{survey.id}' lacks the tiles of block {missing[0].key}: materialise tiles first.")
        layer = tiles.layer_of(connection, survey.id, mosaic.revision)
        base = None if layer.base_id is None else tiles.get_layer(connection, layer.base_id)
        pyramid = _Pyramid(stores, survey, layer, _upper(connection, survey, layer), _upper(connection, survey, base))
    pyramid.build()
    thumbnail = pyramid.thumbnail()
    stores.objects.put(keys.thumbnail(survey.id, mosaic.revision), thumbnail)
    with stores.database.begin() as connection:
        retired = tiles.lock_layer(connection, layer).base_id != layer.base_id
        if not retired:
            tiles.replace_above(connection, layer, pyramid.top_zoom, pyramid.rows)
            dependencies.count_usage(connection, survey.id, mosaic.revision, survey.grid.cols)
            count, size = tiles.totals(connection, layer)
    if retired:
        # what shows through is another layer's now: compare again
        return make_overviews(stores, survey, publish_despite_errors=publish_despite_errors)
    whole = trust.tiles_whole(stores, survey)
    # a public map stays public: the checks report its faults
    withheld = None if publish_despite_errors or survey.is_published else _error(stores, survey, whole)
    with stores.database.begin() as connection:
        # one transaction: readers see the old map or the new one, whole
        if withheld is None:
            rows.publish(connection, survey, count)
        else:
            rows.withhold(connection, survey, count, withheld)
    return Overview(
        levels=mosaic.frame.native_zoom + 1,
        tiles=count,
        size_bytes=size,
        thumbnail=thumbnail,
        tiles_whole=whole,
        withheld=withheld,
    )


def _error(stores: Stores, survey: Survey, whole: TilesWhole) -> str | None:
    """Return the faults for which a map must not replace a sound one; `None` where there are none."""
    looks = (trust.loops_close, trust.shots_placed, trust.decisive_offsets_kept)
    found = [whole, *(look(stores, survey) for look in looks)]
    wrong = [one.text for one in found if one.severity is Severity.ERROR and not one.holds]
    return " ".join(wrong) or None


Upper = Mapping[TileId, StoredTile]
"""The tops of the squares, and all tiles above them."""


def _upper(connection: Connection, survey: Survey, layer: TileLayer | None) -> Upper:
    if layer is None:
        return {}
    top_zoom = survey.placed().frame.native_zoom - LEVELS_IN_SQUARE + 1
    found: dict[TileId, StoredTile] = {}
    for z in range(top_zoom + 1):
        found |= tiles.at_zoom(connection, layer, z)
    return found


class _Pyramid:
    """Builds tiles from their children, depth first: four pictures a level are held at once."""

    def __init__(self, stores: Stores, survey: Survey, layer: TileLayer, shown: Upper, base: Upper) -> None:
        mosaic = survey.placed()
        self._stores = stores
        self._survey = survey
        self._layer = layer
        self._native_zoom = mosaic.frame.native_zoom
        self._bounds = mosaic.bounds
        self.top_zoom = mosaic.frame.native_zoom - LEVELS_IN_SQUARE + 1
        self._shown = shown
        self._base = base
        tops = {tile for tile in shown if tile.z == self.top_zoom}
        self._covered = _with_ancestors(tops)
        # an object that is lost is written again only where all of them are looked at
        self._again = survey.is_published or survey.withheld is not None
        self._dirty = self._covered if self._again else _with_ancestors(self._changed(tops))
        self._thumbnail_zoom = self._zoom_for_thumbnail()
        self._lossy = not survey.placed().fidelity.is_lossless
        self._made: dict[TileId, Pixels] = {}
        self.rows: list[TileRow] = []
        """The layer's own rows of the levels above the tops."""

    def build(self) -> None:
        """Store every tile above the tops that is not the base's."""
        root = TileId(z=0, x=0, y=0)
        if root in self._dirty:
            self._build(root)
        gone = (tile for tile in self._base if tile.z < self.top_zoom and tile not in self._covered)
        self.rows += [TileRow(id=tile, digest=None) for tile in sorted(gone)]

    def thumbnail(self) -> bytes:
        """Return the whole mosaic as one small WebP."""
        scale = self._native_zoom - self._thumbnail_zoom
        left, top = self._bounds.x_px >> scale, self._bounds.y_px >> scale
        right, bottom = -(-self._bounds.right_px >> scale), -(-self._bounds.bottom_px >> scale)
        canvas = np.zeros((bottom - top + 2 * TILE_PX, right - left + 2 * TILE_PX, 4), np.uint8)
        first_x, first_y = left // TILE_PX, top // TILE_PX
        for tile in self._covered:
            if tile.z == self._thumbnail_zoom:
                x, y = (tile.x - first_x) * TILE_PX, (tile.y - first_y) * TILE_PX
                canvas[y : y + TILE_PX, x : x + TILE_PX] = self._made[tile] if tile in self._made else self._read(tile)
        x, y = left - first_x * TILE_PX, top - first_y * TILE_PX
        picture = canvas[y : y + bottom - top, x : x + right - left]
        shrink = min(1.0, THUMBNAIL_PX / max(picture.shape[:2]))
        size = (max(1, round(picture.shape[1] * shrink)), max(1, round(picture.shape[0] * shrink)))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        return encode_webp(small, lossless=False, method=4, quality=80)

    def _changed(self, tops: set[TileId]) -> set[TileId]:
        """Return the tops that are not the base's, those of the base that are gone among them."""
        before = {tile for tile in self._base if tile.z == self.top_zoom}
        same = {t for t in tops & before if self._shown[t].digest == self._base[t].digest}
        return (tops | before) - same

    def _build(self, tile: TileId) -> Pixels:
        """Return a tile's lossless pixels, RGBA, having stored it and all between it and the tops."""
        if tile.z == self.top_zoom or tile not in self._dirty:
            pixels = self._read(tile)
        else:
            pixels = parent_of({child: self._build(child) for child in tile.children if child in self._covered})
            self._store(tile, pixels)
        if tile.z == self._thumbnail_zoom:
            self._made[tile] = pixels
        return pixels

    def _read(self, tile: TileId) -> Pixels:
        """Return the lossless pixels of a tile that is stored."""
        stored = self._shown.get(tile) or self._base[tile]
        try:
            return decode_tile(self._stores.objects.get(keys.lossless(stored.digest), next_step="average its children"))
        except (ObjectMissing, UnusableImage):
            # Tiles of an older version have none; and those above can always be averaged anew from the sharp ones.
            return parent_of({child: self._read_any(child) for child in tile.children if self._is_covered(child)})

    def _read_any(self, tile: TileId) -> Pixels:
        if tile.z <= self.top_zoom:
            return self._read(tile)
        return read_tile(self._stores, self._survey.id, tile, self._sharp[tile].digest)

    def _is_covered(self, tile: TileId) -> bool:
        return tile in self._covered if tile.z <= self.top_zoom else tile in self._sharp

    @cached_property
    def _sharp(self) -> Upper:
        """The tiles just below the tops, which are stored without loss."""
        with self._stores.database.begin() as connection:
            return tiles.at_zoom(connection, self._layer, self.top_zoom + 1)

    def _zoom_for_thumbnail(self) -> int:
        longer_px = max(self._bounds.width_px, self._bounds.height_px)
        zoom = self.top_zoom
        while zoom > 0 and longer_px >> (self._native_zoom - zoom + 1) >= THUMBNAIL_PX:
            zoom -= 1
        return zoom

    def _store(self, tile: TileId, pixels: Pixels) -> None:
        cut = make_tile(tile, pixels, self._native_zoom, self._survey.spec.encoding, lossy=self._lossy)
        if cut is None:
            return
        before = self._base.get(tile)
        row = TileRow(id=tile, digest=cut.digest)
        with self._stores.database.begin() as connection:
            if before is None or before.digest != cut.digest:
                tiles.put(connection, self._layer, [row])
                self.rows.append(row)
            known = tile_objects.refer(connection, [cut.digest])
        write_missing(self._stores, {cut.digest: cut}, known, look_at_all=self._again)


def _with_ancestors(tops: Iterable[TileId]) -> frozenset[TileId]:
    """Return the tops and every tile above them."""
    covered = set(tops)
    level = set(tops)
    while level and next(iter(level)).z > 0:
        level = {tile.parent for tile in level}
        covered |= level
    return frozenset(covered)
