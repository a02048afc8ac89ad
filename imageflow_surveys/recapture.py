"""Survey a map again where its places are not sure: with shots between the grid's cells, which tie water to land.

The grid's step is halved: cell (row, col) becomes (2 row, 2 col), the shots between go to the cells that this leaves
free, and only those around unsure shots are taken. It is a survey like any other, and joins the save's frame.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from imageflow_clients.database.maps import placements
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Position
from imageflow_domain.grid import GRID_SIDE, Cell
from imageflow_domain.placement import PlacementStatus
from imageflow_domain.ports import Area
from imageflow_domain.survey import Carrier, Survey
from imageflow_surveys import states
from imageflow_surveys.camera import driver_of
from imageflow_surveys.plan import checked_plan

_LARGEST_BLOCK = 100
_LARGEST_SIDE = GRID_SIDE // 2
"""Areas on a side of a grid that can be doubled."""


@dataclass(frozen=True, kw_only=True)
class Recapture:
    """A survey that takes another one again."""

    survey: Survey
    unsure: frozenset[Cell]
    """Screenshots of the earlier survey that were not anchored, by the cells that they have in the new one."""
    bridging: int
    """Shots that are taken between its cells."""


def plan_recapture(stores: Stores, survey_id: str, carrier: Carrier) -> Recapture:
    """Register a survey that takes a placed survey's areas again, and shots half a step around each unsure one.

    Raises:
        NotFound: There is no such survey.
        NotReady: Its screenshots have not been placed.
        InvalidInput: Its driver can go to its own areas only, or every screenshot is anchored already.
    """
    before = states.read(stores, survey_id)
    before.placed()
    driver = driver_of(stores, before.spec)
    if not driver.capabilities.moves_freely:
        raise InvalidInput(
            f"'{before.id}' cannot be taken again between its areas: the {before.spec.driver.name} driver only goes "
            "to areas of its own grid. Survey with a smaller step instead."
        )
    if max(before.grid.rows, before.grid.cols) > _LARGEST_SIDE:
        raise InvalidInput(f"A grid of {before.grid} areas is too large to go between them: survey a part of the map.")
    with stores.database.begin() as connection:
        areas = {a.cell: a.position for a in rows.areas(connection, before.id) if a.position is not None}
        places = placements.placements(connection, before.id)
    unsure = frozenset(_doubled(p.cell) for p in places if p.status is not PlacementStatus.ANCHORED)
    if not unsure:
        raise InvalidInput(f"All screenshots of '{before.id}' are anchored: there is nothing to take again.")
    commanded = {_doubled(cell): position for cell, position in areas.items()}
    bridging = bridging_positions(commanded, unsure)
    # of the doubled grid's cells most stay empty: a block twice as wide has about as many screenshots as before
    spec = before.spec.model_copy(
        update={"block_side": min(2 * before.block_side, _LARGEST_BLOCK), "reach_px": before.reach_px}
    )
    every = [Area(cell=cell, position=at) for cell, at in sorted({**commanded, **bridging}.items(), key=_cell)]
    plan = checked_plan(driver, spec, every)
    with stores.database.begin() as connection:
        survey = plan.register(connection, carrier)
        return Recapture(survey=rows.get(connection, survey.id), unsure=unsure, bridging=len(bridging))


def count_anchored(stores: Stores, recapture: Recapture) -> int:
    """Return how many of the unsure screenshots are anchored, once the survey is placed."""
    with stores.database.begin() as connection:
        places = placements.placements(connection, recapture.survey.id)
    return sum(p.cell in recapture.unsure and p.status is PlacementStatus.ANCHORED for p in places)


def bridging_positions(commanded: Mapping[Cell, Position], unsure: frozenset[Cell]) -> dict[Cell, Position]:
    """Return the shots half a step around each unsure cell, where two opposite neighbours show the way.

    Args:
        commanded: By cells of the doubled grid, whose rows and columns are even.
        unsure: Some of these cells.
    """
    around = [(row, col) for row in (-1, 0, 1) for col in (-1, 0, 1) if (row, col) != (0, 0)]
    wanted = {Cell(row=cell.row + row, col=cell.col + col) for cell in unsure for row, col in around}
    return {cell: middle for cell in wanted if (middle := _middle(cell, commanded)) is not None}


def _middle(cell: Cell, commanded: Mapping[Cell, Position]) -> Position | None:
    between = [
        (commanded[first], commanded[second])
        for first, second in _opposite(cell)
        if first in commanded and second in commanded
    ]
    if not between:
        return None
    ends = [end for pair in between for end in pair]
    return Position(x_px=sum(end.x_px for end in ends) / len(ends), y_px=sum(end.y_px for end in ends) / len(ends))


def _opposite(cell: Cell) -> Iterator[tuple[Cell, Cell]]:
    """The pairs of even cells that a cell lies in the middle of."""
    row, col = cell.row % 2, cell.col % 2
    for way in {(row, col), (row, -col)}:
        yield (
            Cell(row=cell.row - way[0], col=cell.col - way[1]),
            Cell(row=cell.row + way[0], col=cell.col + way[1]),
        )


def _doubled(cell: Cell) -> Cell:
    return Cell(row=2 * cell.row, col=2 * cell.col)


def _cell(item: tuple[Cell, Position]) -> Cell:
    return item[0]
