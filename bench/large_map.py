"""A published survey, of 100 x 100 areas if not told otherwise, laid straight into the stores: to bench its readers.

Its tiles are a piece of the city, repeated; they are cut, averaged and encoded as any survey's, equal ones once.
"""

from collections.abc import Iterator

import numpy as np

from game_capture.city.view import render
from game_capture.city.world import World
from game_capture.drivers.city import CityDriver, CityParameters
from imageflow_clients.database.maps import layers, placements, saves, tile_objects, tiles
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.database.maps.tiles import TileRow
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Grid
from imageflow_domain.placement import Placement, PlacementStatus
from imageflow_domain.survey import (
    BLOCK_LAYERS,
    LOSSLESS,
    Carrier,
    DriverSpec,
    Encoding,
    Mosaic,
    Survey,
    SurveySpec,
    SurveyState,
)
from imageflow_domain.tiles import TILE_PX, TileId, first_frame, tiles_touching
from imageflow_mosaic.codec import Pixels, encode_webp
from imageflow_mosaic.pyramid import CutTile, make_tile, parent_of
from imageflow_surveys import states
from imageflow_surveys.place import open_tile_layer, revision_of
from imageflow_surveys.plan import plan_survey
from imageflow_surveys.tile_writing import write_missing

GRID = Grid(rows=100, cols=100)
PIECE_TILES = 16
"""Tiles on a side of the piece that is repeated."""

_PARAMETERS = CityParameters(seed=7, overlap_px=(160, 128))
_PLACEMENT = "bench: a repeated piece of the city"


def lay(stores: Stores, save: str, grid: Grid = GRID) -> Survey:
    """Plan the survey, place its areas where the city's camera would see them, make its tiles, and publish it."""
    driver = DriverSpec(name="city", parameters=_PARAMETERS.model_dump(mode="json", exclude_defaults=True))
    spec = SurveySpec(game="city", save=save, driver=driver, grid=grid, encoding=Encoding(lossless_method=0))
    survey = plan_survey(stores, spec, Carrier.COMMAND_LINE)
    _place(stores, survey)
    survey = states.read(stores, survey.id)
    _cut(stores, survey)
    states.settle(stores, states.read(stores, survey.id), None, None, SurveyState.COMPLETED)
    return states.read(stores, survey.id)


def _place(stores: Stores, survey: Survey) -> None:
    driver = CityDriver(_PARAMETERS)
    truth = {area.cell: driver.truth(area) for area in driver.areas(survey.grid)}
    right = max(place.x_px for place in truth.values()) + survey.view.width_px
    bottom = max(place.y_px for place in truth.values()) + survey.view.height_px
    bounds = Rect(x_px=0, y_px=0, width_px=int(right), height_px=int(bottom))
    with stores.database.begin() as connection:
        number = saves.begin_frame(connection, survey.spec.game, survey.spec.save)
        frame, shift = first_frame(bounds, number)
        mosaic = Mosaic(
            frame=frame,
            bounds=bounds.shifted(shift),
            shift=shift,
            placement=_PLACEMENT,
            revision=revision_of(_PLACEMENT, survey.spec.encoding, LOSSLESS),
        )
        places = [
            Placement(
                cell=cell,
                x_px=int(place.x_px) + shift.dx_px,
                y_px=int(place.y_px) + shift.dy_px,
                confidence=1.0,
                status=PlacementStatus.ANCHORED,
                group=0,
            )
            for cell, place in truth.items()
        ]
        placements.replace_placements(connection, survey.id, places, ())
        rows.mark_placed(connection, survey.id, mosaic)
        open_tile_layer(connection, survey, mosaic)


def _cut(stores: Stores, survey: Survey) -> None:
    mosaic = survey.placed()
    found: list[TileRow] = []
    thumbnail = b""
    for made, distinct in _levels(survey):
        found += [TileRow(id=tile, digest=digest) for tile, digest in made.items()]
        with stores.database.begin() as connection:
            known = tile_objects.refer(connection, list(distinct))
        write_missing(stores, distinct, known)
        if not thumbnail and len(made) == 1:
            (top,) = distinct.values()
            thumbnail = encode_webp(top.pixels, lossless=False, method=4, quality=80)
    stores.objects.put(keys.thumbnail(survey.id, mosaic.revision), thumbnail)
    with stores.database.begin() as connection:
        layer = tiles.layer_of(connection, survey.id, mosaic.revision)
        tiles.replace_above(connection, layer, mosaic.frame.native_zoom + 1, found)
        for block in survey.blocks():
            for done in BLOCK_LAYERS:
                layers.mark_block(connection, survey.id, done, block, mosaic.revision)
        rows.publish(connection, survey, len(found))


def _levels(survey: Survey) -> Iterator[tuple[dict[TileId, str], dict[str, CutTile]]]:
    """Yield every level from the native one up: each tile's digest, and what the different digests stand for."""
    mosaic = survey.placed()
    native = mosaic.frame.native_zoom
    piece = _piece()
    made: dict[TileId, str] = {}
    distinct: dict[str, CutTile] = {}
    cut: dict[object, CutTile | None]

    def put(tile: TileId, one: CutTile | None) -> None:
        if one is not None:
            made[tile] = one.digest
            distinct[one.digest] = one

    cut = {}
    for tile in tiles_touching(mosaic.bounds, native, native):
        at = (tile.y % PIECE_TILES, tile.x % PIECE_TILES)
        if at not in cut:
            cut[at] = make_tile(tile, piece[at], native, survey.spec.encoding)
        put(tile, cut[at])
    yield made, distinct
    for z in range(native - 1, -1, -1):
        below, pixels = made, {digest: one.pixels for digest, one in distinct.items()}
        made, distinct, cut = {}, {}, {}
        for tile in sorted({child.parent for child in below}):
            four = tuple(below.get(child) for child in tile.children)
            if four not in cut:
                children = {child: pixels[below[child]] for child in tile.children if child in below}
                cut[four] = make_tile(tile, parent_of(children), native, survey.spec.encoding)
            put(tile, cut[four])
        assert all(tile.z == z for tile in made)
        yield made, distinct


def _piece() -> dict[tuple[int, int], Pixels]:
    """Return the piece's tiles, RGBA of shape (512, 512, 4), by row and column."""
    parameters = _PARAMETERS
    world = World(seed=parameters.seed, water_share=parameters.water, year=0, change_share=0.0)
    side = PIECE_TILES * TILE_PX
    rgb = render(world, Rect(x_px=0, y_px=0, width_px=side, height_px=side), tick=0, salt=parameters.seed)
    rgba = np.dstack([rgb, np.full((side, side), 255, np.uint8)])
    return {
        (row, col): np.ascontiguousarray(rgba[row * TILE_PX : (row + 1) * TILE_PX, col * TILE_PX : (col + 1) * TILE_PX])
        for row in range(PIECE_TILES)
        for col in range(PIECE_TILES)
    }
