"""Rows of which areas each native tile needs, and of how many tiles need each screenshot.

From the plan on there is a planned set, by commanded positions; once the screenshots are placed, the actual one stands
in its place. Only the actual one is counted.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, Subquery, and_, delete, func, insert, select, update

from imageflow_clients.database.maps import schema, tile_schema
from imageflow_clients.database.maps.tiles import find_layer, shown_by
from imageflow_domain.grid import Cell
from imageflow_domain.tiles import TileId

_DEPS = tile_schema.tile_dependencies
_USAGE = schema.screenshot_usage
_S = schema.surveys

Needs = Mapping[TileId, Sequence[int]]
"""For each native tile, the numbers of the areas that show some of it."""


def plan(connection: Connection, survey: str, needs: Needs) -> None:
    """Store the planned set."""
    _replace(connection, survey, needs, planned=True)


def settle(connection: Connection, survey: str, needs: Needs, usage: Mapping[Cell, int]) -> None:
    """Store the actual set in place of any other, and how many tiles need each screenshot."""
    _replace(connection, survey, needs, planned=False)
    connection.execute(delete(_USAGE).where(_USAGE.c.survey_id == survey))
    if usage:
        connection.execute(
            insert(_USAGE),
            [
                {"survey_id": survey, "row": cell.row, "col": cell.col, "required_tiles": required}
                for cell, required in usage.items()
            ],
        )


def count_usage(connection: Connection, survey: str, revision: str, cols: int) -> None:
    """Bring `completed_tiles` up to date with the native tiles that a revision shows.

    Args:
        cols: Columns of the survey's grid, by which area ids are numbered.
    """
    layer = find_layer(connection, survey, revision)
    if layer is None:
        return
    shown = shown_by(layer.id)
    made = (
        select(func.unnest(_DEPS.c.area_ids).label("area"))
        .join(shown, _at_same_place(shown))
        .where(_DEPS.c.survey_id == survey, ~_DEPS.c.planned)
        .subquery("made")
    )
    counted = select(made.c.area, func.count().label("tiles")).group_by(made.c.area).subquery("counted")
    connection.execute(
        update(_USAGE)
        .where(_USAGE.c.survey_id == survey, counted.c.area == _USAGE.c.row * cols + _USAGE.c.col)
        .values(completed_tiles=counted.c.tiles)
    )


def no_longer_needed(connection: Connection, survey: str) -> tuple[Cell, ...]:
    """Return the screenshots whose every tile exists."""
    rows = connection.execute(
        select(_USAGE.c.row, _USAGE.c.col).where(
            _USAGE.c.survey_id == survey, _USAGE.c.completed_tiles == _USAGE.c.required_tiles
        )
    )
    return tuple(Cell(row=row.row, col=row.col) for row in rows)


def missing_native(connection: Connection, survey: str, revision: str) -> tuple[TileId, ...]:
    """Return the native tiles that the placement promises and that a revision does not show."""
    promised = select(_DEPS.c.z, _DEPS.c.x, _DEPS.c.y).where(_DEPS.c.survey_id == survey, ~_DEPS.c.planned)
    layer = find_layer(connection, survey, revision)
    if layer is not None:
        shown = shown_by(layer.id)
        promised = promised.outerjoin(shown, _at_same_place(shown)).where(shown.c.digest.is_(None))
    rows = connection.execute(promised.order_by(_DEPS.c.y, _DEPS.c.x))
    return tuple(TileId(z=row.z, x=row.x, y=row.y) for row in rows)


def _at_same_place(shown: Subquery) -> ColumnElement[bool]:
    return and_(shown.c.z == _DEPS.c.z, shown.c.x == _DEPS.c.x, shown.c.y == _DEPS.c.y)


def _replace(connection: Connection, survey: str, needs: Needs, *, planned: bool) -> None:
    connection.execute(delete(_DEPS).where(_DEPS.c.survey_id == survey))
    if needs:
        connection.execute(
            insert(_DEPS),
            [
                {"survey_id": survey, "z": t.z, "x": t.x, "y": t.y, "area_ids": list(areas), "planned": planned}
                for t, areas in needs.items()
            ],
        )
    connection.execute(update(_S).where(_S.c.id == survey).values(tiles_planned=len(needs)))
