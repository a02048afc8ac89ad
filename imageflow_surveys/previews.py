"""Small pictures of a survey for people: some of its screenshots, its tiles. Each is a WebP of at most `MOST_BYTES`."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from imageflow_clients.database.maps import tiles
from imageflow_clients.stores import Stores
from imageflow_domain.errors import NotReady
from imageflow_domain.grid import Cell
from imageflow_domain.survey import Mosaic, Survey
from imageflow_domain.tiles import LEVELS_IN_SQUARE, TILE_PX, TileId
from imageflow_mosaic.codec import Pixels, encode_webp
from imageflow_surveys.shots import shots_of
from imageflow_surveys.stored_pictures import read_tile

MOST_BYTES = 100_000
SIDE_PX = 768
"""Of the longer side, at most."""

_SHOTS_PER_SIDE = 4
_MOST_TILES = 64
"""Decoded for one preview: each takes about 5 ms."""

_GAP_PX = 4
_BACKGROUND = 32
_QUALITIES = (80, 60, 40, 20)


def preview_of_screenshots(stores: Stores, survey: Survey) -> bytes:
    """Return up to 4 x 4 screenshots, spread over the survey's grid, side by side as they lie there.

    A place whose screenshot is not stored shows the stored one that is nearest, unless that is shown already.

    Raises:
        NotReady: Where no screenshot is stored.
        ObjectMissing: Where the object of one of them is gone.
        ObjectDamaged: Where it is not what was stored.
    """
    shots = shots_of(stores, survey)
    if not shots.stored:
        raise NotReady(f"'{survey.id}' has no stored screenshots: materialise screenshots first.")
    rows, cols = _spread(survey.grid.rows), _spread(survey.grid.cols)
    shown = _nearest(sorted(shots.stored), rows, cols)
    width_px, height_px = _fitted(
        survey.view.width_px * len(cols), survey.view.height_px * len(rows), SIDE_PX - _GAP_PX * _SHOTS_PER_SIDE
    )
    width_px, height_px = max(1, width_px // len(cols)), max(1, height_px // len(rows))
    down, across = height_px + _GAP_PX, width_px + _GAP_PX
    sheet = np.full((down * len(rows) - _GAP_PX, across * len(cols) - _GAP_PX, 3), _BACKGROUND, np.uint8)
    for (row, col), cell in shown.items():
        small = _shrunk(shots.load(cell), width_px, height_px)
        sheet[row * down : row * down + height_px, col * across : col * across + width_px] = small
    return _small(sheet)


def preview_of_tiles(stores: Stores, survey: Survey) -> bytes:
    """Return the survey's tiles of one zoom put together, transparent where nothing was surveyed.

    It is the highest zoom at which the map has at most 64 tiles, of those zooms that cut squares have; of a larger map,
    64 tiles around its middle are shown.

    Raises:
        NotReady: Before the survey is placed, or where it has no tiles.
        ObjectMissing: Where the object of a tile is gone.
        ObjectDamaged: Where it is no tile.
    """
    mosaic = survey.placed()
    z = _zoom_for(mosaic)
    with stores.database.begin() as connection:
        layer = tiles.layer_of(connection, survey.id, mosaic.revision)
        shown = {tile: stored.digest for tile, stored in tiles.at_zoom(connection, layer, z).items()}
    if not shown:
        raise NotReady(f"'{survey.id}' has no tiles: materialise tiles first.")
    around = _in_the_middle(shown)
    left, top = min(tile.x for tile in around), min(tile.y for tile in around)
    across, down = max(tile.x for tile in around) + 1 - left, max(tile.y for tile in around) + 1 - top
    side_px = max(1, SIDE_PX // max(across, down))
    canvas = np.zeros((down * side_px, across * side_px, 4), np.uint8)
    for tile in around:
        x, y = (tile.x - left) * side_px, (tile.y - top) * side_px
        rgba = read_tile(stores, survey.id, tile, shown[tile])
        canvas[y : y + side_px, x : x + side_px] = _shrunk(rgba, side_px, side_px)
    return _small(canvas)


def _zoom_for(mosaic: Mosaic) -> int:
    native, lowest = mosaic.frame.native_zoom, mosaic.frame.native_zoom - LEVELS_IN_SQUARE + 1
    return next((z for z in range(native, lowest, -1) if _tiles_around(mosaic, native - z) <= _MOST_TILES), lowest)


def _tiles_around(mosaic: Mosaic, levels: int) -> int:
    """Return how many tiles so many levels above the native zoom touch the map's bounds."""
    side_px, bounds = TILE_PX << levels, mosaic.bounds
    across = (bounds.right_px - 1) // side_px - bounds.x_px // side_px + 1
    return across * ((bounds.bottom_px - 1) // side_px - bounds.y_px // side_px + 1)


def _spread(length: int) -> list[int]:
    """Return up to four places of a side of the grid, the first and the last among them."""
    return [round(place) for place in np.linspace(0, length - 1, min(length, _SHOTS_PER_SIDE))]


def _nearest(stored: Sequence[Cell], rows: Sequence[int], cols: Sequence[int]) -> Mapping[tuple[int, int], Cell]:
    """Return the stored cell nearest to each place of the sheet, each cell once."""
    shown: dict[tuple[int, int], Cell] = {}
    for down, row in enumerate(rows):
        for across, col in enumerate(cols):
            near = min(stored, key=lambda cell: (cell.row - row) ** 2 + (cell.col - col) ** 2)
            if near not in shown.values():
                shown[down, across] = near
    return shown


def _in_the_middle(shown: Mapping[TileId, str]) -> list[TileId]:
    """Return up to `_MOST_TILES` tiles, those nearest to their middle."""
    x, y = (float(np.mean([getattr(tile, axis) for tile in shown])) for axis in ("x", "y"))
    return sorted(shown, key=lambda tile: (max(abs(tile.x - x), abs(tile.y - y)), tile))[:_MOST_TILES]


def _fitted(width_px: int, height_px: int, side_px: int) -> tuple[int, int]:
    """Return width and height shrunk, never grown, to a longer side."""
    scale = min(1.0, side_px / max(width_px, height_px))
    return max(1, round(width_px * scale)), max(1, round(height_px * scale))


def _shrunk(pixels: Pixels, width_px: int, height_px: int) -> Pixels:
    return cv2.resize(pixels, (width_px, height_px), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _small(pixels: Pixels) -> bytes:
    """Return pixels as WebP of at most `MOST_BYTES`: of less quality, then of half the size, where they need more."""
    for quality in _QUALITIES:
        data = encode_webp(pixels, lossless=False, method=4, quality=quality)
        if len(data) <= MOST_BYTES:
            return data
    return _small(_shrunk(pixels, max(1, pixels.shape[1] // 2), max(1, pixels.shape[0] // 2)))
