"""What is known of every area of a survey, column by column: ten thousand areas make few objects."""

from typing import Any

from sqlalchemy import Connection, FromClause, and_, func, select

from imageflow_clients.database.maps import schema
from imageflow_domain.geometry import Rect, Size
from imageflow_domain.grid import Block
from imageflow_domain.placement import AreaStates, PlacementStatus

_A, _C, _S = schema.areas, schema.coordinates, schema.screenshots


def read(connection: Connection, survey: str, *, placed: bool) -> AreaStates:
    """Return every area that was planned.

    Args:
        placed: Read where the screenshots lie; else where they are commanded to, in the driver's plane.
    """
    same = and_(_C.c.survey_id == _A.c.survey_id, _C.c.row == _A.c.row, _C.c.col == _A.c.col)
    stored = and_(
        _S.c.survey_id == _A.c.survey_id, _S.c.row == _A.c.row, _S.c.col == _A.c.col, _S.c.status != "deleting"
    )
    if placed:
        columns: tuple[Any, ...] = (_C.c.row, _C.c.col, _C.c.x_px, _C.c.y_px, _C.c.status, _C.c.confidence)
        table: FromClause = _A.join(_C, same)
    else:
        nothing = func.nullif(0, 0)
        columns = (_A.c.row, _A.c.col, func.round(_A.c.x_px), func.round(_A.c.y_px), nothing, nothing)
        table = _A
    query = (
        select(*columns, _S.c.object_key.is_not(None))
        .select_from(table.outerjoin(_S, stored))
        .where(_A.c.survey_id == survey)
        .order_by(_A.c.row, _A.c.col)
    )
    found = connection.execute(query).all()
    row, col, x_px, y_px, status, confidence, kept = zip(*found, strict=True) if found else ((),) * 7
    return AreaStates(
        row=row,
        col=col,
        x_px=tuple(map(int, x_px)),
        y_px=tuple(map(int, y_px)),
        status=tuple(None if word is None else PlacementStatus(word) for word in status),
        confidence=confidence,
        kept=kept,
    )


def block_rects(connection: Connection, survey: str, side: int, view: Size) -> dict[Block, Rect]:
    """Return what the areas of each block are commanded to show together, in the driver's plane.

    Args:
        side: Areas on a block's side.
        view: Size of a picture.
    """
    block_row, block_col = (_A.c.row // side).label("block_row"), (_A.c.col // side).label("block_col")
    rows = connection.execute(
        select(
            block_row,
            block_col,
            func.min(_A.c.x_px).label("left"),
            func.max(_A.c.x_px).label("right"),
            func.min(_A.c.y_px).label("top"),
            func.max(_A.c.y_px).label("bottom"),
        )
        .where(_A.c.survey_id == survey)
        .group_by(block_row, block_col)
    )
    return {
        Block(row=int(r.block_row), col=int(r.block_col)): Rect(
            x_px=round(r.left),
            y_px=round(r.top),
            width_px=round(r.right) - round(r.left) + view.width_px,
            height_px=round(r.bottom) - round(r.top) + view.height_px,
        )
        for r in rows
    }
