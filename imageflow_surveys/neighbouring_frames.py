"""Stored frames beside an area, for a driver that has to find out where its camera is."""

from collections.abc import Sequence

from imageflow_clients.stores import Stores
from imageflow_domain.capture import StoredFrame
from imageflow_domain.errors import NotFound
from imageflow_domain.grid import Cell
from imageflow_domain.survey import Survey
from imageflow_surveys.seen_areas import SeenArea, seen_areas
from imageflow_surveys.shots import Shots, shots_of

_MOST = 3
"""Frames that are given: each costs a comparison."""


class NeighbouringFrames:
    """The frames of a survey that are stored by now, whichever game took them."""

    def __init__(self, stores: Stores, survey: Survey) -> None:
        self._stores = stores
        self._survey = survey

    def near(self, cell: Cell) -> Sequence[StoredFrame]:
        """As `imageflow_domain.ports.StoredFrames` has it: those that were measured, and are tied to the survey."""
        rows = range(max(0, cell.row - 1), cell.row + 2)
        with self._stores.database.begin() as connection:
            seen = [one for one in seen_areas(connection, self._survey, within=rows) if _is_beside(one.cell, cell)]
        shots = shots_of(self._stores, self._survey, within=rows)
        known = [one for one in seen if one.cell in shots.stored and one.is_tied and one.uncertainty is not None]
        known.sort(key=lambda one: (_unsure_px(one), _distance(one.cell, cell), one.cell))
        return [frame for one in known[:_MOST] if (frame := _stored(shots, one)) is not None]


def _stored(shots: Shots, seen: SeenArea) -> StoredFrame | None:
    try:
        frame = shots.load(seen.cell)
    except NotFound:  # whoever registers it says so; a camera finds its place by the others
        return None
    position, uncertainty = seen.area.position, seen.uncertainty
    if position is None or uncertainty is None:
        return None
    return StoredFrame(cell=seen.cell, frame=frame, position=position, uncertainty=uncertainty)


def _is_beside(other: Cell, cell: Cell) -> bool:
    return other != cell and abs(other.row - cell.row) <= 1 and abs(other.col - cell.col) <= 1


def _distance(one: Cell, other: Cell) -> int:
    return abs(one.row - other.row) + abs(one.col - other.col)


def _unsure_px(seen: SeenArea) -> float:
    return 0.0 if seen.uncertainty is None else seen.uncertainty.longest_px
