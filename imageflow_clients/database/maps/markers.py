"""Rows of markers: named places of a save."""

from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from imageflow_clients.database.maps import schema
from imageflow_domain.markers import Marker, MarkerText

_T = schema.markers


def find(connection: Connection, game: str, save: str, *, name: str | None = None) -> tuple[Marker, ...]:
    """Return the markers of a save, by name.

    Args:
        name: Only those whose name contains it, regardless of case.
    """
    query = select(_T).where(_T.c.game == game, _T.c.save == save).order_by(func.lower(_T.c.name), _T.c.id)
    if name is not None:
        query = query.where(_T.c.name.icontains(name, autoescape=True))
    return tuple(_marker(row) for row in connection.execute(query))


def get(connection: Connection, game: str, save: str, marker: int, *, lock: bool = False) -> Marker | None:
    """Return one marker of a save, locked until the transaction ends where asked; `None` where it is not there."""
    query = select(_T).where(_T.c.game == game, _T.c.save == save, _T.c.id == marker)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _marker(row)


def count(connection: Connection, game: str, save: str) -> int:
    """Return how many markers a save has, in all its frames together."""
    return connection.execute(
        select(func.count()).select_from(_T).where(_T.c.game == game, _T.c.save == save)
    ).scalar_one()


def add(
    connection: Connection, game: str, save: str, *, frame_number: int, x_px: int, y_px: int, text: MarkerText
) -> Marker:
    """Insert a marker at a place in pixels of a frame, and return it with its id and its first version."""
    row = connection.execute(
        insert(_T)
        .values(
            game=game,
            save=save,
            frame_number=frame_number,
            x_px=x_px,
            y_px=y_px,
            name=text.name,
            note=text.note,
            colour=text.colour,
        )
        .returning(_T)
    ).one()
    return _marker(row)


def change(connection: Connection, marker: int, *, x_px: int, y_px: int, text: MarkerText) -> Marker:
    """Write a marker anew; its version goes up by one."""
    row = connection.execute(
        update(_T)
        .where(_T.c.id == marker)
        .values(
            x_px=x_px,
            y_px=y_px,
            name=text.name,
            note=text.note,
            colour=text.colour,
            version=_T.c.version + 1,
            changed_at=func.now(),
        )
        .returning(_T)
    ).one()
    return _marker(row)


def remove(connection: Connection, marker: int) -> None:
    """Delete a marker; nothing happens where it is gone already."""
    connection.execute(delete(_T).where(_T.c.id == marker))


def _marker(row: Row[Any]) -> Marker:
    return Marker(
        id=row.id,
        frame_number=row.frame_number,
        x_px=row.x_px,
        y_px=row.y_px,
        text=MarkerText(name=row.name, note=row.note, colour=row.colour),
        version=row.version,
        changed_at=row.changed_at,
    )
