"""Rows of verified offsets between screenshots, and of where each screenshot lies."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, tuple_, update

from imageflow_clients.database.maps import schema
from imageflow_clients.database.maps.cells import among
from imageflow_domain.geometry import Offset, Rect
from imageflow_domain.grid import Cell
from imageflow_domain.placement import (
    DroppedOffset,
    PairOffset,
    PairRefusal,
    Placement,
    PlacementStatus,
    RefusedPair,
)

_PAIRS = schema.pair_offsets
_REFUSED = schema.pair_refusals
_PLACES = schema.coordinates


def replace_offsets(
    connection: Connection,
    survey: str,
    references: Collection[Cell],
    pairs: Sequence[PairOffset],
    refused: Sequence[RefusedPair],
) -> None:
    """Store the offsets found for the given reference cells, and why others were not, in place of what stood there."""
    for table in (_PAIRS, _REFUSED):
        connection.execute(
            delete(table).where(
                table.c.survey_id == survey, among(table.c.reference_row, table.c.reference_col, references)
            )
        )
    if refused:
        connection.execute(
            insert(_REFUSED),
            [
                {
                    "survey_id": survey,
                    "reference_row": pair.reference.row,
                    "reference_col": pair.reference.col,
                    "moving_row": pair.moving.row,
                    "moving_col": pair.moving.col,
                    "reason": pair.reason,
                }
                for pair in refused
            ],
        )
    _insert_offsets(connection, survey, pairs)


def replace_searched(connection: Connection, survey: str, pairs: Sequence[PairOffset]) -> None:
    """Store the offsets that the search after the placement found, in place of those that an earlier one found."""
    connection.execute(delete(_PAIRS).where(_PAIRS.c.survey_id == survey, _PAIRS.c.searched))
    _insert_offsets(connection, survey, pairs)


def _insert_offsets(connection: Connection, survey: str, pairs: Sequence[PairOffset]) -> None:
    if not pairs:
        return
    connection.execute(
        insert(_PAIRS),
        [
            {
                "survey_id": survey,
                "reference_row": pair.reference.row,
                "reference_col": pair.reference.col,
                "moving_row": pair.moving.row,
                "moving_col": pair.moving.col,
                "dx_px": pair.offset.dx_px,
                "dy_px": pair.offset.dy_px,
                "votes": pair.votes,
                "agreement": pair.agreement,
                "compared_px": pair.compared_px,
                "decisive": pair.decisive,
                "rest_x_px": pair.rest_x_px,
                "rest_y_px": pair.rest_y_px,
                "sigma_px": pair.sigma_px,
                "noise": pair.noise,
                "searched": pair.was_searched,
            }
            for pair in pairs
        ],
    )


def offsets(
    connection: Connection, survey: str, *, touching: Collection[Cell] | None = None, searched: bool = True
) -> tuple[PairOffset, ...]:
    """Return the verified offsets of a survey, by reference and moving cell.

    Args:
        touching: Only those from or to one of these few cells.
        searched: Also those that the search after the placement found.
    """
    query = select(_PAIRS).where(_PAIRS.c.survey_id == survey).order_by(*_PAIRS.primary_key)
    if not searched:
        query = query.where(~_PAIRS.c.searched)
    if touching is not None:
        cells = [(cell.row, cell.col) for cell in touching]
        query = query.where(
            or_(
                tuple_(_PAIRS.c.reference_row, _PAIRS.c.reference_col).in_(cells),
                tuple_(_PAIRS.c.moving_row, _PAIRS.c.moving_col).in_(cells),
            )
        )
    return tuple(_pair(row) for row in connection.execute(query))


def count_offsets(connection: Connection, survey: str) -> int:
    """Return how many verified offsets a survey has."""
    return connection.execute(select(func.count()).select_from(_PAIRS).where(_PAIRS.c.survey_id == survey)).scalar_one()


def weakest_offsets(connection: Connection, survey: str, count: int) -> tuple[PairOffset, ...]:
    """Return the verified offsets whose overlaps agree least, weakest first."""
    weakest = select(_PAIRS).where(_PAIRS.c.survey_id == survey).order_by(_PAIRS.c.agreement, _PAIRS.c.votes)
    return tuple(_pair(row) for row in connection.execute(weakest.limit(count)))


def refused(connection: Connection, survey: str) -> tuple[RefusedPair, ...]:
    """Return the neighbours between which no offset was verified, by reference and moving cell."""
    query = select(_REFUSED).where(_REFUSED.c.survey_id == survey).order_by(*_REFUSED.primary_key)
    return tuple(
        RefusedPair(
            reference=Cell(row=row.reference_row, col=row.reference_col),
            moving=Cell(row=row.moving_row, col=row.moving_col),
            reason=PairRefusal(row.reason),
        )
        for row in connection.execute(query)
    )


def dropped(connection: Connection, survey: str) -> tuple[DroppedOffset, ...]:
    """Return the offsets that the solve could not keep, worst first."""
    rows = connection.execute(
        select(_PAIRS)
        .where(_PAIRS.c.survey_id == survey, _PAIRS.c.residual_px.is_not(None))
        .order_by(_PAIRS.c.residual_px.desc())
    )
    return tuple(DroppedOffset(pair=_pair(row), residual_px=row.residual_px) for row in rows)


def replace_placements(
    connection: Connection, survey: str, placements: Sequence[Placement], dropped: Sequence[DroppedOffset]
) -> None:
    """Store where every screenshot lies, in pixels of the frame, and which offsets were dropped."""
    connection.execute(delete(_PLACES).where(_PLACES.c.survey_id == survey))
    connection.execute(
        insert(_PLACES),
        [
            {
                "survey_id": survey,
                "row": place.cell.row,
                "col": place.cell.col,
                "x_px": place.x_px,
                "y_px": place.y_px,
                "confidence": place.confidence,
                "status": place.status,
                "group_number": place.group,
                "sigma_px": place.sigma_px,
                "found_off_x_px": None if place.found_off is None else place.found_off.dx_px,
                "found_off_y_px": None if place.found_off is None else place.found_off.dy_px,
            }
            for place in placements
        ],
    )
    connection.execute(update(_PAIRS).where(_PAIRS.c.survey_id == survey).values(residual_px=None))
    for drop in dropped:
        pair = drop.pair
        connection.execute(
            update(_PAIRS)
            .where(
                _PAIRS.c.survey_id == survey,
                _PAIRS.c.reference_row == pair.reference.row,
                _PAIRS.c.reference_col == pair.reference.col,
                _PAIRS.c.moving_row == pair.moving.row,
                _PAIRS.c.moving_col == pair.moving.col,
            )
            .values(residual_px=drop.residual_px)
        )


def placements(connection: Connection, survey: str, *, corners: Rect | None = None) -> tuple[Placement, ...]:
    """Return where every screenshot lies, row by row.

    Args:
        corners: Only those whose top left corner lies inside this rectangle of the frame.
    """
    query = select(_PLACES).where(_PLACES.c.survey_id == survey).order_by(_PLACES.c.row, _PLACES.c.col)
    if corners is not None:
        query = query.where(
            _PLACES.c.x_px.between(corners.x_px, corners.right_px - 1),
            _PLACES.c.y_px.between(corners.y_px, corners.bottom_px - 1),
        )
    return tuple(_placement(row) for row in connection.execute(query))


def at(connection: Connection, survey: str, cell: Cell) -> Placement | None:
    """Return where one screenshot lies; `None` where it has no place."""
    query = select(_PLACES).where(_PLACES.c.survey_id == survey, _PLACES.c.row == cell.row, _PLACES.c.col == cell.col)
    row = connection.execute(query).one_or_none()
    return None if row is None else _placement(row)


def _placement(row: Row[Any]) -> Placement:
    return Placement(
        cell=Cell(row=row.row, col=row.col),
        x_px=row.x_px,
        y_px=row.y_px,
        confidence=row.confidence,
        status=PlacementStatus(row.status),
        group=row.group_number,
        sigma_px=row.sigma_px,
        found_off=None if row.found_off_x_px is None else Offset(dx_px=row.found_off_x_px, dy_px=row.found_off_y_px),
    )


def _pair(row: Row[Any]) -> PairOffset:
    return PairOffset(
        reference=Cell(row=row.reference_row, col=row.reference_col),
        moving=Cell(row=row.moving_row, col=row.moving_col),
        offset=Offset(dx_px=row.dx_px, dy_px=row.dy_px),
        votes=row.votes,
        agreement=row.agreement,
        compared_px=row.compared_px,
        decisive=row.decisive,
        rest_x_px=row.rest_x_px,
        rest_y_px=row.rest_y_px,
        sigma_px=row.sigma_px,
        noise=row.noise,
        was_searched=row.searched,
    )
