"""Rows of screenshots: where each lies in the store, and whether it is still there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from imageflow_clients.database.maps import schema
from imageflow_clients.database.maps.cells import among
from imageflow_domain.grid import Cell

_T = schema.screenshots


@dataclass(frozen=True, kw_only=True)
class StoredShot:
    """One screenshot's object."""

    object_key: str
    bytes: int
    digest: str
    """Of the encoded picture."""


def record(connection: Connection, survey: str, cell: Cell, shot: StoredShot) -> None:
    """Note a screenshot that lies in the store whole."""
    values = {"object_key": shot.object_key, "bytes": shot.bytes, "digest": shot.digest, "status": "captured"}
    connection.execute(
        upsert(_T)
        .values(survey_id=survey, row=cell.row, col=cell.col, **values)
        .on_conflict_do_update(index_elements=["survey_id", "row", "col"], set_={**values, "captured_at": func.now()})
    )


def stored(connection: Connection, survey: str, *, within: range | None = None) -> Mapping[Cell, StoredShot]:
    """Return every screenshot of a survey that is not being deleted, by cell.

    Args:
        within: Only those of these rows of the grid.
    """
    query = select(_T).where(_T.c.survey_id == survey, _T.c.status != "deleting").order_by(_T.c.row, _T.c.col)
    if within is not None:
        query = query.where(_T.c.row.between(within.start, within.stop - 1))
    rows = connection.execute(query)
    return {
        Cell(row=row.row, col=row.col): StoredShot(object_key=row.object_key, bytes=row.bytes, digest=row.digest)
        for row in rows
    }


def forget(connection: Connection, survey: str, cells: Iterable[Cell]) -> None:
    """Delete the rows of screenshots whose objects are gone."""
    where = _among(survey, cells)
    connection.execute(delete(_T).where(*where))


def mark_placed(connection: Connection, survey: str) -> None:
    """Note that all stored screenshots of a survey have a place; those whose deletion was noted are left alone."""
    connection.execute(update(_T).where(_T.c.survey_id == survey, _T.c.status == "captured").values(status="placed"))


def mark_deleting(connection: Connection, survey: str, cells: Iterable[Cell]) -> None:
    """Note that objects are about to go, before the first one does."""
    connection.execute(update(_T).where(*_among(survey, cells)).values(status="deleting"))


def being_deleted(connection: Connection, survey: str) -> Mapping[Cell, str]:
    """Return the object keys of screenshots whose deletion was noted, perhaps by a process that died."""
    rows = connection.execute(select(_T).where(_T.c.survey_id == survey, _T.c.status == "deleting"))
    return {Cell(row=row.row, col=row.col): row.object_key for row in rows}


def _among(survey: str, cells: Iterable[Cell]) -> tuple[ColumnElement[bool], ...]:
    return (_T.c.survey_id == survey, among(_T.c.row, _T.c.col, cells))
