"""Stored frames by which a driver locates its camera: those beside an area, and those at the start of its row."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from imageflow_clients.database.maps import sightings
from imageflow_clients.stores import Stores
from imageflow_domain.capture import StoredFrame, Turn, Uncertainty
from imageflow_domain.errors import NotFound
from imageflow_domain.geometry import Position
from imageflow_domain.grid import Cell
from imageflow_domain.survey import Survey
from imageflow_surveys.seen_areas import SeenArea, seen_areas
from imageflow_surveys.shots import Shots, shots_of

_MOST = 3
"""Frames that are given: each costs a comparison."""

_MOST_FIRST = 12
"""Of those at the start of a row or column."""

_HELD = 6
"""Decoded frames that are kept: the same ones are used along a whole row."""


class NeighbouringFrames:
    """The frames of a survey that are stored by now, whichever game took them."""

    def __init__(self, stores: Stores, survey: Survey) -> None:
        self._stores = stores
        self._survey = survey
        self._held: OrderedDict[str, StoredFrame] = OrderedDict()
        """By the digest of what is stored."""

    def near(self, cell: Cell) -> Sequence[StoredFrame]:
        """As `imageflow_domain.ports.StoredFrames` has it: those that were measured, and are tied to the survey."""
        rows = range(max(0, cell.row - 1), cell.row + 2)
        beside = [one for one in self._seen(rows) if _is_beside(one.cell, cell)]
        beside.sort(key=lambda one: (_unsure_px(one), _distance(one.cell, cell), one.cell))
        return self._frames(beside[:_MOST], rows)

    def first(self, cell: Cell, *, is_row: bool, within_px: float) -> Sequence[StoredFrame]:
        """As `imageflow_domain.ports.StoredFrames` has it; those that `near` would give, too."""
        rows = range(cell.row, cell.row + 1) if is_row else range(min(cell.row, _MOST_FIRST))
        line = [one for one in self._seen(rows) if one.cell < cell and (is_row or one.cell.col == cell.col)]
        if not line:
            return ()
        start = line[0].area.position
        return self._frames([one for one in line[:_MOST_FIRST] if _apart_px(one, start) <= within_px], rows)

    def has_other(self, cell: Cell, at: Position, within: Uncertainty) -> bool:
        """As `imageflow_domain.ports.StoredFrames` has it."""
        with self._stores.database.begin() as connection:
            seen = seen_areas(connection, self._survey)
        others = (one.area.position for one in seen if one.cell != cell and one.is_tied)
        return any(other is not None and within.allows(other, at) for other in others)

    def turn(self) -> Turn:
        """As `imageflow_domain.ports.StoredFrames` has it."""
        with self._stores.database.begin() as connection:
            return sightings.turn(connection, self._survey.id)

    def _seen(self, rows: range) -> list[SeenArea]:
        """Return the areas of some rows whose frames determine their places, by cell."""
        with self._stores.database.begin() as connection:
            seen = seen_areas(connection, self._survey, within=rows)
        return [one for one in seen if one.is_tied and one.uncertainty is not None and one.area.position is not None]

    def _frames(self, areas: Iterable[SeenArea], rows: range) -> Sequence[StoredFrame]:
        shots = shots_of(self._stores, self._survey, within=rows)
        stored = (self._stored(shots, one) for one in areas if one.cell in shots.stored)
        return tuple(frame for frame in stored if frame is not None)

    def _stored(self, shots: Shots, seen: SeenArea) -> StoredFrame | None:
        position, uncertainty, digest = seen.area.position, seen.uncertainty, shots.stored[seen.cell].digest
        if position is None or uncertainty is None:
            return None
        held = self._held.get(digest)
        try:
            frame = shots.load(seen.cell) if held is None else held.frame
        except NotFound:  # registration reports it; a camera finds its place by the others
            return None
        found = StoredFrame(cell=seen.cell, frame=frame, position=position, uncertainty=uncertainty)
        self._held[digest] = found
        self._held.move_to_end(digest)
        while len(self._held) > _HELD:
            self._held.popitem(last=False)
        return found


def _is_beside(other: Cell, cell: Cell) -> bool:
    return other != cell and abs(other.row - cell.row) <= 1 and abs(other.col - cell.col) <= 1


def _distance(one: Cell, other: Cell) -> int:
    return abs(one.row - other.row) + abs(one.col - other.col)


def _apart_px(seen: SeenArea, start: Position | None) -> float:
    at = seen.area.position
    assert at is not None  # noqa: S101  those without were left out
    assert start is not None  # noqa: S101
    return max(abs(at.x_px - start.x_px), abs(at.y_px - start.y_px))


def _unsure_px(seen: SeenArea) -> float:
    return 0.0 if seen.uncertainty is None else seen.uncertainty.longest_px
