"""Find the verified offsets between a block's screenshots and their neighbours'."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from imageflow_clients.database.maps import layers, placements
from imageflow_clients.stores import Stores
from imageflow_domain.geometry import Offset, Position, Rect
from imageflow_domain.grid import Block, Cell, neighbours_ahead
from imageflow_domain.placement import PairOffset, RefusedPair
from imageflow_domain.survey import Layer, Survey
from imageflow_mosaic.fingerprint import Fingerprint, fingerprint
from imageflow_mosaic.registration import Match, look
from imageflow_surveys.overlays import once_asked
from imageflow_surveys.seen_areas import SeenArea, reach_between, seen_areas
from imageflow_surveys.shots import Shots, shots_of

_HALO_ROWS = 2
"""How far below an area its neighbours may lie: behind a hole, two rows."""


@dataclass(frozen=True, kw_only=True)
class Registered:
    """The result of one block."""

    shots: int
    pairs: int
    """Neighbouring pairs looked at; each pair belongs to the block of its first shot."""
    offsets: tuple[PairOffset, ...]


def register_block(stores: Stores, survey: Survey, block: Block) -> Registered:
    """Store every verified offset from a block's screenshots to their forward neighbours, the halo's included.

    Holes, and areas outside the world, are stepped over: who lies behind one is a neighbour, too, where both can
    overlap.

    Raises:
        NotReady: Where screenshots of the block or of its halo have not been taken; of lossy ones, also where one of
            those is missing, all over the survey, that overlays are looked for in.
        ObjectMissing: Where the object of one of them is gone.
        ObjectDamaged: Where it is not what was stored.
    """
    cells = survey.grid.cells_of(block, survey.block_side)
    own_rows = block.rows(survey.block_side)
    with_halo = range(own_rows.start, own_rows.stop + _HALO_ROWS)
    with stores.database.begin() as connection:
        seen = {one.cell: one for one in seen_areas(connection, survey, within=with_halo)}
    positions = {cell: one.area.position for cell, one in seen.items() if one.area.position is not None}
    shots = shots_of(stores, survey, within=with_halo)
    planned = [cell for cell in cells if cell in positions]
    ahead = {cell: _ahead(survey, cell, seen, positions) for cell in planned}
    _check_taken(shots, ahead)
    pairs = 0
    found: list[PairOffset] = []
    refused: list[RefusedPair] = []
    window = _Window(shots, once_asked(stores, survey))
    for cell in planned:
        window.keep_rows(cell.row, cell.row + _HALO_ROWS)
        for near in ahead[cell]:
            pairs += 1
            looked = look(
                window.fingerprint(cell),
                window.fingerprint(near),
                _expected(positions[cell], positions[near]),
                reach_between(survey, seen[cell], seen[near]),
            )
            if isinstance(looked, Match):
                found.append(looked.between(cell, near))
            else:
                refused.append(RefusedPair(reference=cell, moving=near, reason=looked))
    with stores.database.begin() as connection:
        placements.replace_offsets(connection, survey.id, cells, found, refused)
        layers.mark_block(connection, survey.id, Layer.PAIR_OFFSETS, block)
    return Registered(shots=len(planned), pairs=pairs, offsets=tuple(found))


class _Window:
    """Fingerprints of the grid rows in use: memory does not grow with the block."""

    def __init__(self, shots: Shots, overlays: Callable[[], Sequence[Rect]]) -> None:
        self._shots, self._overlays = shots, overlays
        self._held: dict[Cell, Fingerprint] = {}

    def keep_rows(self, first: int, last: int) -> None:
        self._held = {cell: held for cell, held in self._held.items() if first <= cell.row <= last}

    def fingerprint(self, cell: Cell) -> Fingerprint:
        if cell not in self._held:
            self._held[cell] = fingerprint(self._shots.load(cell), self._shots.survey.spec.masks, self._overlays)
        return self._held[cell]


def _ahead(
    survey: Survey, cell: Cell, seen: Mapping[Cell, SeenArea], positions: Mapping[Cell, Position]
) -> tuple[Cell, ...]:
    """The cells that a cell is registered with: those behind a hole only where they can overlap."""

    def can_overlap(other: Cell) -> bool:
        offset = _expected(positions[cell], positions[other])
        reach_px = reach_between(survey, seen[cell], seen[other])
        across, down = survey.view.width_px + reach_px, survey.view.height_px + reach_px
        return abs(offset.dx_px) < across and abs(offset.dy_px) < down

    return tuple(near for near in neighbours_ahead(cell, positions, survey.block_side) if can_overlap(near))


def _check_taken(shots: Shots, ahead: Mapping[Cell, Sequence[Cell]]) -> None:
    needed = {*ahead, *(near for cells in ahead.values() for near in cells)}
    for cell in sorted(needed - shots.stored.keys()):
        shots.load(cell)  # raises NotReady, naming the block to take


def _expected(reference: Position, moving: Position) -> Offset:
    return Offset(dx_px=round(moving.x_px - reference.x_px), dy_px=round(moving.y_px - reference.y_px))
