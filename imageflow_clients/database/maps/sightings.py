"""Rows of the outcome of each area, and of the sessions in which games were driven."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from imageflow_clients.database.maps import schema
from imageflow_clients.database.maps.cells import among
from imageflow_domain.capture import AreaState, CaptureSession, Sighting, Turn, Uncertainty
from imageflow_domain.geometry import Position
from imageflow_domain.grid import Cell

_A = schema.areas
_S = schema.capture_sessions
_V = schema.surveys

_FIRST = 1
_UNKNOWN: Mapping[str, Any] = {
    "state": None,
    "seen_x_px": None,
    "seen_y_px": None,
    "uncertainty_x_px": None,
    "uncertainty_y_px": None,
    "session": None,
    "settled": True,
}


def record(connection: Connection, survey: str, sighting: Sighting) -> None:
    """Note the outcome of an area, replacing the former one."""
    at, off, cell = sighting.position, sighting.uncertainty, sighting.cell
    connection.execute(
        update(_A)
        .where(_A.c.survey_id == survey, _A.c.row == cell.row, _A.c.col == cell.col)
        .values(
            state=sighting.state,
            seen_x_px=None if at is None else at.x_px,
            seen_y_px=None if at is None else at.y_px,
            uncertainty_x_px=None if off is None else off.x_px,
            uncertainty_y_px=None if off is None else off.y_px,
            session=sighting.session,
            settled=sighting.is_settled,
        )
    )


def forget(connection: Connection, survey: str, cells: Iterable[Cell]) -> None:
    """Set areas back to planned: whether they lie in the world is determined again."""
    connection.execute(update(_A).where(_A.c.survey_id == survey, among(_A.c.row, _A.c.col, cells)).values(_UNKNOWN))


def of_survey(connection: Connection, survey: str, *, within: range | None = None) -> Mapping[Cell, Sighting]:
    """Return what is known of a survey's areas, by cell; those where no camera was are left out.

    Args:
        within: Only those of these rows of the grid.
    """
    query = select(_A).where(_A.c.survey_id == survey, _A.c.state.is_not(None)).order_by(_A.c.row, _A.c.col)
    if within is not None:
        query = query.where(_A.c.row.between(within.start, within.stop - 1))
    return {Cell(row=row.row, col=row.col): _sighting(row) for row in connection.execute(query)}


def begin_session(connection: Connection, survey: str, run_id: str | None) -> CaptureSession:
    """Note that a game was started. The first session's plane is the survey's; where others lie must be seen."""
    # games of one survey start at once
    connection.execute(select(_V.c.id).where(_V.c.id == survey).with_for_update())
    last = connection.execute(select(func.max(_S.c.number)).where(_S.c.survey_id == survey)).scalar_one()
    number = _FIRST if last is None else last + 1
    offset = Position(x_px=0.0, y_px=0.0) if number == _FIRST else None
    connection.execute(
        insert(_S).values(
            survey_id=survey,
            number=number,
            run_id=run_id,
            offset_x_px=None if offset is None else offset.x_px,
            offset_y_px=None if offset is None else offset.y_px,
        )
    )
    return CaptureSession(number=number, offset=offset)


def tie_session(connection: Connection, survey: str, number: int, offset: Position) -> None:
    """Note how far a session's plane lies from the survey's."""
    connection.execute(
        update(_S)
        .where(_S.c.survey_id == survey, _S.c.number == number)
        .values(offset_x_px=offset.x_px, offset_y_px=offset.y_px)
    )


def sessions(connection: Connection, survey: str) -> Mapping[int, CaptureSession]:
    """Return a survey's capture sessions by number."""
    rows = connection.execute(select(_S).where(_S.c.survey_id == survey).order_by(_S.c.number))
    return {
        row.number: CaptureSession(number=row.number, offset=_position(row.offset_x_px, row.offset_y_px))
        for row in rows
    }


def note_turn(connection: Connection, survey: str, turn: Turn) -> None:
    """Note after how far the world begins again."""
    connection.execute(update(_V).where(_V.c.id == survey).values(turn_x_px=turn.x_px, turn_y_px=turn.y_px))


def turn(connection: Connection, survey: str) -> Turn:
    """Return after how far the world of a survey begins again, as far as it was seen."""
    row = connection.execute(select(_V.c.turn_x_px, _V.c.turn_y_px).where(_V.c.id == survey)).one()
    return Turn(x_px=row.turn_x_px, y_px=row.turn_y_px)


def _sighting(row: Row[Any]) -> Sighting:
    known = row.uncertainty_x_px is not None
    return Sighting(
        cell=Cell(row=row.row, col=row.col),
        state=AreaState(row.state),
        position=_position(row.seen_x_px, row.seen_y_px),
        uncertainty=Uncertainty(x_px=row.uncertainty_x_px, y_px=row.uncertainty_y_px) if known else None,
        session=row.session,
        is_settled=row.settled,
    )


def _position(x_px: float | None, y_px: float | None) -> Position | None:
    return None if x_px is None or y_px is None else Position(x_px=x_px, y_px=y_px)
