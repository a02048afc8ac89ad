"""Compose the squares that a block commands, and cut them into tiles: only where they differ from the base layer's."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from imageflow_clients.database import Connection
from imageflow_clients.database.maps import layers, tile_objects, tiles
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.database.maps.tiles import StoredTile, TileLayer, TileRow
from imageflow_clients.stores import Stores
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Block
from imageflow_domain.survey import Layer, Survey
from imageflow_domain.tiles import LEVELS_IN_SQUARE, TILE_PX, TileId
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.pyramid import CutTile, make_tile, parent_of
from imageflow_surveys.sources import SquareSource, source_of
from imageflow_surveys.squares import squares_of
from imageflow_surveys.stored_pictures import read_tile
from imageflow_surveys.tile_writing import write_missing


@dataclass(frozen=True, kw_only=True)
class Cut:
    """What came of one block."""

    squares: int
    tiles: int
    composed: int
    """Native tiles whose inputs differ from those of the base's."""
    encoded: int
    """Tiles whose pixels no stored tile had yet."""
    size_bytes: int
    source: str
    """What the tiles were made from."""


def cut_block(stores: Stores, survey: Survey, block: Block) -> Cut:
    """Store the tiles of a block's squares: native zoom, and the parents inside a square.

    What is equal to the base layer's is neither composed nor encoded nor written again. A block that is cut already is
    looked at in full: every tile is composed, and every object that is not in the store is written again.

    Raises:
        NotReady: Where the survey is not placed, or a screenshot that it needs was deleted.
        NotFound: Where the survey has no such block.
        ObjectMissing: Where a screenshot or a tile that it needs is gone.
        ObjectDamaged: Where it is not what was stored.
    """
    revision = survey.placed().revision
    with stores.database.begin() as connection:
        areas = rows.areas(connection, survey.id)
        layer = tiles.layer_of(connection, survey.id, revision)
        again = layers.is_cut(connection, survey.id, block, revision)
        if not again:
            layers.begin_cut(connection, survey.id, block)
    squares = squares_of(survey, areas, block)
    source = source_of(stores, survey, layer, squares)
    done = [_Square(stores, survey, source, square, again=again).cut(block, layer) for square in squares]
    with stores.database.begin() as connection:
        layers.mark_block(connection, survey.id, Layer.TILES, block, revision)
    return Cut(
        squares=len(squares),
        tiles=sum(d.tiles for d in done),
        composed=sum(d.composed for d in done),
        encoded=sum(d.encoded for d in done),
        size_bytes=sum(d.size_bytes for d in done),
        source=source.label,
    )


@dataclass(frozen=True, kw_only=True)
class _Done:
    """What came of one square."""

    tiles: int
    composed: int
    encoded: int
    size_bytes: int


class _Square:
    """One square of a survey, to be cut against what the base layer shows of it."""

    def __init__(self, stores: Stores, survey: Survey, source: SquareSource, rect: Rect, *, again: bool) -> None:
        self._stores = stores
        self._survey = survey
        self._source = source
        self._rect = rect
        self._again = again
        self._zoom = survey.placed().frame.native_zoom
        self._lossy = not survey.placed().fidelity.is_lossless
        self._inputs = source.inputs(rect)

    def cut(self, block: Block, layer: TileLayer) -> _Done:
        """Write the layer's rows of this square, then the objects that they refer to."""
        while True:
            with self._stores.database.begin() as connection:
                layer = tiles.get_layer(connection, layer.id)
                base = self._base(connection, layer)
            dirty = self._dirty(base)
            cut = {tile.id: tile for tile in self._cut(dirty, base)}
            by_digest = {tile.digest: tile for tile in cut.values()}
            with self._stores.database.begin() as connection:
                if tiles.lock_layer(connection, layer).base_id != layer.base_id:
                    continue  # the base was retired meanwhile: what shows through is another layer's now
                tiles.replace_in_square(connection, layer, self._zoom, self._rect, self._rows(dirty, cut, base))
                known = tile_objects.refer(connection, by_digest)
                shown = len(base.keys() - dirty) + len(cut)
                if not self._again:
                    layers.add_tiles_cut(connection, self._survey.id, block, shown)
            break
        sizes, encoded = write_missing(self._stores, by_digest, known, look_at_all=self._again)
        return _Done(
            tiles=shown,
            composed=sum(tile.z == self._zoom for tile in dirty & self._inputs.keys()),
            encoded=encoded,
            size_bytes=sum(base[tile].bytes for tile in base.keys() - dirty)
            + sum(sizes[tile.digest] for tile in cut.values()),
        )

    def _base(self, connection: Connection, layer: TileLayer) -> Mapping[TileId, StoredTile]:
        if layer.base_id is None:
            return {}
        return tiles.in_square(connection, tiles.get_layer(connection, layer.base_id), self._zoom, self._rect)

    def _dirty(self, base: Mapping[TileId, StoredTile]) -> set[TileId]:
        """Return the native tiles whose inputs are not the base's, and the tiles above them in the square."""
        native = {tile for tile in base if tile.z == self._zoom} | self._inputs.keys()
        changed = {
            tile for tile in native if self._again or tile not in base or base[tile].inputs != self._inputs.get(tile)
        }
        level = changed
        for _ in range(LEVELS_IN_SQUARE - 1):
            level = {tile.parent for tile in level}
            changed = changed | level
        return changed

    def _cut(self, dirty: set[TileId], base: Mapping[TileId, StoredTile]) -> Iterator[CutTile]:
        """Yield the dirty tiles that show something, native ones first."""
        pixels = dict(self._composed({tile for tile in dirty if tile.z == self._zoom}))
        for level in range(LEVELS_IN_SQUARE):
            if level:
                pixels = self._parents(dirty, pixels, base, self._zoom - level)
            kept: dict[TileId, Pixels] = {}
            for tile, rgba in pixels.items():
                cut = make_tile(tile, rgba, self._zoom, self._survey.spec.encoding, lossy=self._lossy)
                if cut:
                    kept[tile] = cut.pixels
                    yield cut
            pixels = kept

    def _composed(self, wanted: set[TileId]) -> Iterator[tuple[TileId, Pixels]]:
        showing = sorted(wanted & self._inputs.keys())
        side = self._rect.width_px // TILE_PX
        if 2 * len(showing) > side * side:
            rgba = self._source.canvas(self._rect).rgba  # the whole square costs less than most of it tile by tile
            for tile in showing:
                here = tile.rect(self._zoom)
                y, x = here.y_px - self._rect.y_px, here.x_px - self._rect.x_px
                yield tile, rgba[y : y + TILE_PX, x : x + TILE_PX]
        else:
            for tile in showing:
                yield tile, self._source.canvas(tile.rect(self._zoom)).rgba

    def _parents(
        self, dirty: set[TileId], below: Mapping[TileId, Pixels], base: Mapping[TileId, StoredTile], z: int
    ) -> dict[TileId, Pixels]:
        """Return the dirty tiles of a zoom, averaged from the dirty ones below and from the base's untouched ones."""
        parents = {}
        for tile in sorted(tile for tile in dirty if tile.z == z):
            children = {
                child: below[child] if child in below else self._read(child, base[child])
                for child in tile.children
                if child in below or (child in base and child not in dirty)
            }
            if children:
                parents[tile] = parent_of(children)
        return parents

    def _read(self, tile: TileId, shown: StoredTile) -> Pixels:
        return read_tile(self._stores, self._survey.id, tile, shown.digest)

    def _rows(
        self, dirty: set[TileId], cut: Mapping[TileId, CutTile], base: Mapping[TileId, StoredTile]
    ) -> list[TileRow]:
        """Return what the layer has to say itself: where its pixels are others than the base's."""
        changed = [
            TileRow(id=tile, digest=made.digest, inputs=self._inputs.get(tile))
            for tile, made in cut.items()
            if tile not in base or base[tile].digest != made.digest
        ]
        gone = [TileRow(id=tile, digest=None) for tile in sorted(dirty & base.keys() - cut.keys())]
        return changed + gone
