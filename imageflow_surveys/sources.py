"""What a square of the map is composed from: placed screenshots, or, once those are gone, the survey's native tiles."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from typing_extensions import override

from imageflow_clients.database import Connection
from imageflow_clients.database.maps import placements, tiles
from imageflow_clients.database.maps.tiles import TileLayer
from imageflow_clients.stores import Stores
from imageflow_domain.geometry import Offset, Rect
from imageflow_domain.grid import Cell
from imageflow_domain.placement import Placement, PlacementStatus
from imageflow_domain.survey import Survey
from imageflow_domain.tiles import TILE_PX, TileId, tiles_touching
from imageflow_mosaic.blend import blend
from imageflow_mosaic.codec import Pixels, packed
from imageflow_mosaic.compose import Canvas, PlacedShot, compose
from imageflow_mosaic.stacking import lay_under
from imageflow_surveys.shots import Shots, shot_rect, shots_of, visible_parts
from imageflow_surveys.stored_pictures import read_tile

_HELD_BYTES = 400_000_000
"""Decoded screenshots that are kept for the next squares."""


class SquareSource(Protocol):
    """Gives the pixels of one block's squares."""

    label: str
    """What a person is told that the tiles were made from."""

    def inputs(self, square: Rect) -> dict[TileId, str]:
        """Return, for every native tile of a square that shows something, the digest of what it is made from."""
        ...

    def canvas(self, rect: Rect) -> Canvas:
        """Return the pixels of a rectangle of the frame."""
        ...


def source_of(stores: Stores, survey: Survey, layer: TileLayer, squares: Sequence[Rect]) -> SquareSource:
    """Return what these squares can be composed from.

    Screenshots where all of them are stored. Where some were deleted, the native tiles of the published revision, if
    that shows the same placement; else asking the source for pixels raises `NotReady`, naming the screenshots to take.
    """
    with stores.database.begin() as connection:
        places = _touching(connection, survey, squares)
        shown = survey.published_revision
        before = tiles.find_layer(connection, survey.id, shown) if shown and shown != layer.revision else None
    rows = [place.cell.row for place in places]
    stored = shots_of(stores, survey, within=range(min(rows, default=0), max(rows, default=0) + 1))
    shots = ScreenshotSource(survey, stored, places, squares)
    if shots.is_whole or before is None or before.placement is None or before.placement != layer.placement:
        return shots
    return NativeTileSource(stores, survey, before)


def _touching(connection: Connection, survey: Survey, squares: Sequence[Rect]) -> tuple[Placement, ...]:
    """Return where those screenshots lie that may touch some of the squares."""
    around = _around(squares)
    if around is None:
        return ()
    view = survey.view
    corners = Rect(
        x_px=around.x_px - view.width_px,
        y_px=around.y_px - view.height_px,
        width_px=around.width_px + view.width_px,
        height_px=around.height_px + view.height_px,
    )
    return placements.placements(connection, survey.id, corners=corners)


class ScreenshotSource(SquareSource):
    """Composes from anchored shots, with ambiguous ones only where no anchored one shows the place.

    Lossy shots are blended.
    """

    label = "screenshots"

    def __init__(self, survey: Survey, shots: Shots, places: Sequence[Placement], squares: Sequence[Rect]) -> None:
        self._survey = survey
        self._noise = survey.placed().fidelity.noise
        self._decoded = _Decoded(shots)
        around = _around(squares)
        self._places = [p for p in places if around is not None and shot_rect(survey.view, p).intersection(around)]

    @property
    def is_whole(self) -> bool:
        """Whether every screenshot that shows some of the squares is stored."""
        return all(place.cell in self._decoded.shots.stored for place in self._places)

    @override
    def inputs(self, square: Rect) -> dict[TileId, str]:
        zoom = self._survey.placed().frame.native_zoom
        masks = self._survey.spec.masks
        seen = visible_parts(self._survey.view, masks)
        touching: dict[TileId, list[Placement]] = {}
        for place in self._touching(square):
            corner = Offset(dx_px=place.x_px, dy_px=place.y_px)
            parts = [part for p in seen if (part := p.shifted(corner).intersection(square)) is not None]
            for tile in {tile for part in parts for tile in tiles_touching(part, zoom, zoom)}:
                touching.setdefault(tile, []).append(place)
        hidden = [mask.model_dump() for mask in masks]
        return {tile: self._digest(tile.rect(zoom), places, hidden) for tile, places in touching.items()}

    @override
    def canvas(self, rect: Rect) -> Canvas:
        sure: list[PlacedShot] = []
        unsure: list[PlacedShot] = []
        for place in self._touching(rect):
            shot = PlacedShot(x_px=place.x_px, y_px=place.y_px, pixels=self._decoded[place.cell])
            (sure if place.status is PlacementStatus.ANCHORED else unsure).append(shot)
        canvas = self._composed(sure, rect)
        return lay_under(canvas, self._composed(unsure, rect)) if unsure else canvas

    def _composed(self, shots: Sequence[PlacedShot], rect: Rect) -> Canvas:
        masks, noise = self._survey.spec.masks, self._noise
        return compose(shots, rect, masks) if noise is None else blend(shots, rect, masks, noise=noise)

    def _touching(self, rect: Rect) -> list[Placement]:
        return [p for p in self._places if shot_rect(self._survey.view, p).intersection(rect) is not None]

    def _digest(self, rect: Rect, places: Sequence[Placement], hidden: Sequence[object]) -> str:
        stored = self._decoded.shots.stored
        shots = sorted(
            (
                p.y_px - rect.y_px,
                p.x_px - rect.x_px,
                p.status is PlacementStatus.ANCHORED,
                stored[p.cell].digest if p.cell in stored else "",
            )
            for p in places
        )
        facts: list[object] = [shots, hidden]
        if self._noise is not None:
            facts.append(self._noise)
        return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class NativeTileSource(SquareSource):
    """Gives back the pixels of a survey's own native tiles, which are stored without loss."""

    stores: Stores
    survey: Survey
    layer: TileLayer
    label = "native tiles"

    @override
    def inputs(self, square: Rect) -> dict[TileId, str]:
        # A tile of an older version does not say what it was composed from: it is told by its pixels.
        return {tile: shown.inputs or shown.digest for tile, shown in self._native(square).items()}

    @override
    def canvas(self, rect: Rect) -> Canvas:
        zoom = self.survey.placed().frame.native_zoom
        rgba = np.zeros((rect.height_px, rect.width_px, 4), np.uint8)
        for tile, shown in self._native(rect).items():
            here = tile.rect(zoom)
            x, y = here.x_px - rect.x_px, here.y_px - rect.y_px
            rgba[y : y + TILE_PX, x : x + TILE_PX] = read_tile(
                self.stores,
                self.survey.id,
                tile,
                shown.digest,
                again=f"materialise screenshots of '{self.survey.id}' again, which were deleted",
            )
        return Canvas(rect=rect, rgba=rgba, full=bool(packed(rgba).all()))

    def _native(self, rect: Rect) -> dict[TileId, tiles.StoredTile]:
        zoom = self.survey.placed().frame.native_zoom
        with self.stores.database.begin() as connection:
            return tiles.native_in(connection, self.layer, zoom, rect)


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


def _around(squares: Sequence[Rect]) -> Rect | None:
    if not squares:
        return None
    left, top = min(s.x_px for s in squares), min(s.y_px for s in squares)
    return Rect(
        x_px=left,
        y_px=top,
        width_px=max(s.right_px for s in squares) - left,
        height_px=max(s.bottom_px for s in squares) - top,
    )
