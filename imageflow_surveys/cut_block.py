"""Compose the squares that a block commands, and cut them into tiles."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from imageflow_clients.database import layers, placements, tiles
from imageflow_clients.database import surveys as rows
from imageflow_clients.database.tiles import StoredTile
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Block, Cell
from imageflow_domain.placement import Placement, PlacementStatus
from imageflow_domain.survey import Layer, Survey
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.compose import Canvas, PlacedShot, compose
from imageflow_mosaic.encoding import encode_top
from imageflow_mosaic.pyramid import CutTile, cut_square
from imageflow_mosaic.stacking import lay_under
from imageflow_surveys.place import shots_in
from imageflow_surveys.shots import Shots, shots_of
from imageflow_surveys.squares import squares_of

_HELD_BYTES = 400_000_000
"""Decoded screenshots that are kept for the next squares."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """What came of one block."""

    squares: int
    tiles: int
    encoded: int
    """Of them, those whose pixels no stored tile had yet."""
    size_bytes: int


def cut_block(stores: Stores, survey: Survey, block: Block) -> Cut:
    """Store the tiles of a block's squares: native zoom, and the parents inside a square.

    Raises:
        NotReady: Where the survey is not placed, or a screenshot that it needs was deleted.
    """
    mosaic = survey.placed()
    with stores.database.begin() as connection:
        areas = rows.areas(connection, survey.id)
        places = placements.placements(connection, survey.id)
    squares = squares_of(survey, areas, block)
    decoded = _Decoded(shots_of(stores, survey))
    stored: list[StoredTile] = []
    encoded = 0
    for square in squares:
        canvas = _compose(survey, places, decoded, square)
        if canvas is None:
            continue
        cut = list(cut_square(canvas, mosaic.frame.native_zoom, survey.spec.encoding))
        done, fresh = _store(stores, survey.id, mosaic.revision, cut)
        stored += done
        encoded += fresh
    with stores.database.begin() as connection:
        layers.mark_block(connection, survey.id, Layer.TILES, block, mosaic.revision)
    return Cut(squares=len(squares), tiles=len(stored), encoded=encoded, size_bytes=sum(tile.bytes for tile in stored))


@dataclass
class _Decoded:
    """Screenshots, decoded once for all neighbouring squares that they touch."""

    shots: Shots
    held: OrderedDict[Cell, Pixels] = field(default_factory=OrderedDict)

    def __getitem__(self, cell: Cell) -> Pixels:
        if cell not in self.held:
            view = self.shots.survey.view
            while len(self.held) >= max(8, _HELD_BYTES // (view.width_px * view.height_px * 3)):
                self.held.popitem(last=False)
            self.held[cell] = self.shots.load(cell)
        self.held.move_to_end(cell)
        return self.held[cell]


def _compose(survey: Survey, places: Sequence[Placement], decoded: _Decoded, square: Rect) -> Canvas | None:
    """Compose a square from the anchored shots, with ambiguous ones only where no anchored one shows the place."""
    touching = set(shots_in(survey.view, places, square))
    if not touching:
        return None
    sure: list[PlacedShot] = []
    unsure: list[PlacedShot] = []
    for place in places:
        if place.cell in touching:
            shot = PlacedShot(x_px=place.x_px, y_px=place.y_px, pixels=decoded[place.cell])
            (sure if place.status is PlacementStatus.ANCHORED else unsure).append(shot)
    canvas = compose(sure, square, survey.spec.masks)
    return lay_under(canvas, compose(unsure, square, survey.spec.masks)) if unsure else canvas


def _store(stores: Stores, survey: str, revision: str, cut: Sequence[CutTile]) -> tuple[list[StoredTile], int]:
    """Store a square's tiles; return them, and how many had to be encoded."""
    with stores.database.begin() as connection:
        known = dict(tiles.known_digests(connection, {tile.digest for tile in cut}))
    encoded = 0
    for tile in cut:
        if tile.digest not in known:
            data = tile.encode()
            stores.objects.put(keys.tile(tile.digest), data)
            known[tile.digest] = len(data)
            encoded += 1
        if tile.is_top:
            stores.objects.put(keys.square_top(survey, revision, tile.id), encode_top(tile.pixels))
    done = [StoredTile(id=tile.id, digest=tile.digest, bytes=known[tile.digest]) for tile in cut]
    with stores.database.begin() as connection:
        tiles.record(connection, survey, revision, done)
    return done, encoded
