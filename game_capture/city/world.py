"""The city's map: which tile lies where. Any part is computed on its own, so that no world is too large."""

from collections import OrderedDict
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from game_capture.city.atlas import EAST, NORTH, SOUTH, WEST, Range, atlas
from game_capture.city.buildings import LARGE_TILES, SMALL_TILES
from game_capture.city.noise import Floats, Hashes, Ints, hills, pick, scatter, share
from game_capture.city.paint import TILE_PX
from game_capture.city.streets import DISTRICT, Axis, Lots, Mask, axis, lots
from imageflow_domain.geometry import Rect

CHUNK: Final = 64
"""Tiles on a side of the part that is computed at once."""

_PADDING: Final = LARGE_TILES + 1
_CHUNKS_KEPT: Final = 64
_CALIBRATION: Final = 160
"""Tiles on a side of the corner in which the water's share is exact."""


class _Land(IntEnum):
    TOWN = 0
    SUBURB = 1
    FIELDS = 2
    WOODS = 3


class _Salt(IntEnum):
    """Keeps one use of randomness from repeating another."""

    COLUMNS = 1
    ROWS = 2
    LAKES = 3
    COVES = 4
    TOWNS = 5
    WOODS = 6
    LAND = 7
    TURN = 8
    LOT = 9
    HOUSE = 10
    GREEN = 11
    BRIDGE = 12
    SEGMENT = 13
    YEAR = 14


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Tile numbers and drivable tiles of a square part, both of shape (64, 64), row by row."""

    tiles: Ints
    roads: Mask


class World:
    """An endless city.

    Args:
        seed: Everything but the changes follows from it.
        water_share: Share of the corner at the origin that is water, 0 to 1.
        year: How many times the town has been rebuilt in places.
        change_share: Share of districts that are rebuilt in one year, 0 to 1.
        changes_within: Only districts of this part of the world, in pixels, are ever rebuilt.
    """

    def __init__(
        self,
        *,
        seed: int,
        water_share: float,
        year: int,
        change_share: float,
        changes_within: Rect | None = None,
    ) -> None:
        self._seed = seed * 1_000_003
        self._year = year
        self._change_share = change_share
        self._changes_within = changes_within
        self._chunks: OrderedDict[tuple[int, int], Chunk] = OrderedDict()
        corner = np.arange(_CALIBRATION)
        self._sea_level = float(np.quantile(self._heights(corner, corner), water_share))

    def chunk(self, row: int, col: int) -> Chunk:
        """Return a part of the map by its place in the lattice of chunks."""
        found = self._chunks.get((row, col))
        if found is None:
            found = self._survey(row * CHUNK, col * CHUNK)
            self._chunks[row, col] = found
            if len(self._chunks) > _CHUNKS_KEPT:
                self._chunks.popitem(last=False)
        return found

    def region(self, top: int, left: int, rows: int, cols: int) -> Chunk:
        """Return any rectangle of tiles."""
        tiles = np.empty((rows, cols), dtype=np.int64)
        roads = np.empty((rows, cols), dtype=np.bool_)
        for chunk_row in range(top // CHUNK, (top + rows - 1) // CHUNK + 1):
            for chunk_col in range(left // CHUNK, (left + cols - 1) // CHUNK + 1):
                part = self.chunk(chunk_row, chunk_col)
                y, x = chunk_row * CHUNK - top, chunk_col * CHUNK - left
                into = np.s_[max(y, 0) : min(y + CHUNK, rows), max(x, 0) : min(x + CHUNK, cols)]
                out_of = np.s_[max(-y, 0) : min(CHUNK, rows - y), max(-x, 0) : min(CHUNK, cols - x)]
                tiles[into], roads[into] = part.tiles[out_of], part.roads[out_of]
        return Chunk(tiles=tiles, roads=roads)

    def _salt(self, use: _Salt) -> int:
        return self._seed + use

    def _heights(self, x: Ints, y: Ints) -> Floats:
        return 0.75 * hills(x, y, scale=38, salt=self._salt(_Salt.LAKES)) + 0.25 * hills(
            x, y, scale=11, salt=self._salt(_Salt.COVES)
        )

    def _survey(self, top: int, left: int) -> Chunk:
        x = np.arange(left - _PADDING, left + CHUNK + _PADDING)
        y = np.arange(top - _PADDING, top + CHUNK + _PADDING)
        columns, rows = axis(x, self._salt(_Salt.COLUMNS)), axis(y, self._salt(_Salt.ROWS))
        shores = self._shores(x, y)
        land = self._land(columns, rows)
        turned = pick(scatter(columns.avenue, rows.avenue[:, None], self._salt(_Salt.TURN)), 2) == 1
        divided = lots(columns, rows, turned)
        roads, bridges = self._roads(columns, rows, land, divided, shores)
        tiles = self._greenery(x, y, land)
        tiles = self._build(tiles, x, y, columns, rows, land, divided, shores)
        tiles = np.where(shores > 0, atlas().water.first + shores, tiles)
        tiles = np.where(roads & (shores == 0), atlas().roads.first + _directions(roads | bridges), tiles)
        level = rows.on_avenue[:, None] & ~columns.on_avenue
        tiles = np.where(bridges, atlas().bridges.first + level, tiles)
        middle = np.s_[_PADDING:-_PADDING, _PADDING:-_PADDING]
        return Chunk(tiles=tiles[middle], roads=(roads | bridges)[middle])

    def _shores(self, x: Ints, y: Ints) -> Ints:
        """0 on land, 15 on open water, the wet corners between."""
        wet = self._heights(np.append(x, x[-1] + 1), np.append(y, y[-1] + 1)) < self._sea_level
        corners = wet.astype(np.int64)
        return corners[:-1, :-1] + 2 * corners[:-1, 1:] + 4 * corners[1:, :-1] + 8 * corners[1:, 1:]

    def _land(self, columns: Axis, rows: Axis) -> Ints:
        """What each tile's district is used for."""
        return self._use(columns.avenue, rows.avenue)

    def _use(self, columns: Ints, rows: Ints) -> Ints:
        first, last = np.arange(columns.min(), columns.max() + 1), np.arange(rows.min(), rows.max() + 1)
        towns = hills(first * DISTRICT, last * DISTRICT, scale=70, salt=self._salt(_Salt.TOWNS))
        dice = scatter(first, last[:, None], self._salt(_Salt.LAND))
        density = towns + 0.3 * (share(dice) - 0.5)
        country = np.where(pick(dice, 2, shift=24) == 0, _Land.FIELDS, _Land.WOODS)
        use = np.where(density > 0.52, _Land.TOWN, np.where(density > 0.36, _Land.SUBURB, country))
        uses: Ints = use[(rows - last[0])[:, None], columns - first[0]]
        return uses

    def _roads(self, columns: Axis, rows: Axis, land: Ints, divided: Lots, shores: Ints) -> tuple[Mask, Mask]:
        """Drivable tiles on land, and on water."""
        built = land <= _Land.SUBURB
        upright = columns.on_avenue & self._kept(columns.avenue, rows.avenue, beside=(0, -1))
        level = rows.on_avenue[:, None] & self._kept(columns.avenue, rows.avenue, beside=(-1, 0))
        crossing = columns.on_avenue & rows.on_avenue[:, None]
        street = (upright | level) & ~crossing | (divided.lane & built)
        # A crossing is paved where a street leads to it.
        street |= crossing & (
            _shifted(street, 1, 0) | _shifted(street, -1, 0) | _shifted(street, 0, 1) | _shifted(street, 0, -1)
        )
        salt = self._salt(_Salt.BRIDGE)
        spanned = pick(scatter(columns.avenue, 0, salt), 6) == 0
        spanned_rows = pick(scatter(0, rows.avenue, salt), 6) == 0
        bridges = (columns.on_avenue & spanned) | (rows.on_avenue & spanned_rows)[:, None]
        return street & (shores == 0), bridges & (shores > 0)

    def _kept(self, columns: Ints, rows: Ints, *, beside: tuple[int, int]) -> Mask:
        """Whether the stretch of avenue is paved: always in towns, seldom between fields."""
        row, col = beside
        town = (self._use(columns, rows) <= _Land.SUBURB) | (self._use(columns + col, rows + row) <= _Land.SUBURB)
        return town | (pick(scatter(columns, rows[:, None], self._salt(_Salt.SEGMENT) + row), 10) < 3)

    def _greenery(self, x: Ints, y: Ints, land: Ints) -> Ints:
        dice = scatter(x, y[:, None], self._salt(_Salt.GREEN))
        woods = hills(x, y, scale=9, salt=self._salt(_Salt.WOODS))
        density = np.select(
            [land == _Land.WOODS, land == _Land.FIELDS], [woods * 1.25, woods * 0.3], 0.12 + woods * 0.3
        )
        kind = pick(dice, atlas().grass.count * 3, shift=24)
        grass = np.where(kind < atlas().grass.count, kind, kind % 5)
        tree = pick(dice, atlas().trees.count, shift=40)
        return np.where(share(dice) < density, atlas().trees.first + tree, atlas().grass.first + grass)

    def _build(
        self, tiles: Ints, x: Ints, y: Ints, columns: Axis, rows: Axis, land: Ints, divided: Lots, shores: Ints
    ) -> Ints:
        left, top = x - divided.x, y[:, None] - divided.y
        rebuilt = self._rebuilt(columns, rows)
        dice = scatter(left, top, self._salt(_Salt.LOT))
        dice ^= scatter(rebuilt, 7, self._salt(_Salt.YEAR)) * np.uint64(2) * (rebuilt > 0)
        small_x, small_y = divided.x % SMALL_TILES, divided.y % SMALL_TILES
        house_dice = scatter(x - small_x, y[:, None] - small_y, self._salt(_Salt.HOUSE)) ^ dice
        wet: Ints = np.pad((shores > 0).astype(np.int64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
        dry_large = divided.whole & _dry(wet, divided.x, divided.y, LARGE_TILES)
        dry_small = divided.whole & _dry(wet, small_x, small_y, SMALL_TILES)
        large_share = np.select(
            [land == _Land.TOWN, land == _Land.SUBURB, land == _Land.FIELDS], [0.5, 0.14, 0.75], 0.0
        )
        large = dry_large & (share(dice) < large_share)
        house_share = np.choose(land, [0.95, 0.72, 0.0, 0.0])
        small = dry_small & ~large & (share(house_dice) < house_share)
        part = divided.y * LARGE_TILES + divided.x
        art = atlas()
        for use, sprites in ((_Land.TOWN, art.towers), (_Land.SUBURB, art.outskirts), (_Land.FIELDS, art.fields)):
            tiles = np.where(large & (land == use), _sprite(sprites, dice, part), tiles)
        return np.where(small, _sprite(art.houses, house_dice, small_y * SMALL_TILES + small_x), tiles)

    def _rebuilt(self, columns: Axis, rows: Axis) -> Ints:
        """The last year in which each tile's district was rebuilt; 0 for never."""
        latest = np.zeros((len(rows.avenue), len(columns.avenue)), dtype=np.int64)
        for year in range(1, self._year + 1):
            dice = scatter(columns.avenue, rows.avenue[:, None], self._salt(_Salt.YEAR) + 100 * year)
            latest[share(dice) < self._change_share] = year
        if self._changes_within is not None:
            within, side_px = self._changes_within, DISTRICT * TILE_PX
            across = (columns.avenue >= within.x_px // side_px) & (columns.avenue < -(-within.right_px // side_px))
            down = (rows.avenue >= within.y_px // side_px) & (rows.avenue < -(-within.bottom_px // side_px))
            latest[~(down[:, None] & across)] = 0
        return latest


def _sprite(sprites: Range, dice: Hashes, part: Ints) -> Ints:
    return sprites.first + pick(dice, sprites.count, shift=24) * sprites.tiles + part


def _dry(wet: Ints, x: Ints, y: Ints, side: int) -> Mask:
    """Whether the lot that each tile belongs to touches no water; lots that leave the range count as wet."""
    rows, cols = x.shape
    top, left = np.arange(rows)[:, None] - y, np.arange(cols) - x
    inside = (top >= 0) & (left >= 0) & (top + side <= rows) & (left + side <= cols)
    top, left = np.where(inside, top, 0), np.where(inside, left, 0)
    bottom, right = np.where(inside, top + side, 0), np.where(inside, left + side, 0)
    dry: Mask = inside & (wet[bottom, right] - wet[top, right] - wet[bottom, left] + wet[top, left] == 0)
    return dry


def _shifted(mask: Mask, rows: int, cols: int) -> Mask:
    """Return what lies `rows` below and `cols` right of each tile; nothing lies outside."""
    moved = np.zeros_like(mask)
    height, width = mask.shape
    into = np.s_[max(-rows, 0) : height - max(rows, 0), max(-cols, 0) : width - max(cols, 0)]
    out_of = np.s_[max(rows, 0) : height + min(rows, 0), max(cols, 0) : width + min(cols, 0)]
    moved[into] = mask[out_of]
    return moved


def _directions(roads: Mask) -> Ints:
    code = NORTH * _shifted(roads, -1, 0).astype(np.int64)
    code += EAST * _shifted(roads, 0, 1)
    code += SOUTH * _shifted(roads, 1, 0)
    code += WEST * _shifted(roads, 0, -1)
    return code
