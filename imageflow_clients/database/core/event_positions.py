"""The order of all subjects' events, and how far those have come who read them all.

An event gets its position once its transaction is committed: one that stays open hides nothing from readers.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, delete, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from imageflow_clients.database.core import schema
from imageflow_clients.database.core.events import logged
from imageflow_domain.errors import EventsForgotten
from imageflow_domain.events import LoggedEvent

_T = schema.events
_SUBJECTS = schema.event_subjects
_READERS = schema.event_readers
_STAMPER = 0x696D6577  # "imew": any number that no other code locks
STAMPED_AT_ONCE = 5_000


def stamp(connection: Connection) -> int:
    """Give committed events, at most 5,000, their positions; return how many were left without until now.

    Belongs into a transaction of its own: other stampers wait for its end. A subject's events keep their order.
    """
    unstamped = select(literal(1)).where(_T.c.position.is_(None))
    if not connection.execute(select(unstamped.exists())).scalar_one():
        return 0
    connection.execute(select(func.pg_advisory_xact_lock(_STAMPER)))
    return connection.execute(_STAMP, {"limit": STAMPED_AT_ONCE}).rowcount


def last_position(connection: Connection) -> int:
    """Return the position of the event that was stamped last; 0 before the first."""
    position: int = connection.execute(select(func.coalesce(func.max(_T.c.position), 0))).scalar_one()
    return position


def read_all(connection: Connection, *, after: int, limit: int) -> tuple[LoggedEvent, ...]:
    """Return up to `limit` stamped events of all subjects after a position, in order.

    Raises `EventsForgotten` where the events after it are not kept any more, or the position is none of this log.
    """
    rows = connection.execute(select(_T).where(_T.c.position > after).order_by(_T.c.position).limit(limit)).all()
    follows = rows[0].position == after + 1 if rows else after <= last_position(connection)
    if not follows:
        raise EventsForgotten(
            f"The events after position {after} are not kept any more: read the current states, and go on."
        )
    return tuple(logged(row) for row in rows)


def position_of(connection: Connection, reader: str) -> int:
    """Return how far a named reader is, and let no other process read by that name until the transaction ends.

    A new reader begins with the events that are stamped after this; nobody stamps any until the transaction ends.
    """
    position = select(_READERS.c.position).where(_READERS.c.reader == reader).with_for_update()
    found: int | None = connection.execute(position).scalar_one_or_none()
    if found is None:
        # Else events could be stamped, and forgotten, by those who do not see the new reader yet.
        connection.execute(select(func.pg_advisory_xact_lock(_STAMPER)))
        begin = {"reader": reader, "position": last_position(connection)}
        connection.execute(upsert(_READERS).values(begin).on_conflict_do_nothing(index_elements=["reader"]))
        found = int(connection.execute(position).scalar_one())
    return found


def is_done(connection: Connection, reader: str) -> bool:
    """Tell whether a named reader is done with all stamped events; not so one that never read."""
    newest = select(func.coalesce(func.max(_T.c.position), 0)).scalar_subquery()
    done = select(literal(1)).where(_READERS.c.reader == reader, _READERS.c.position >= newest)
    return bool(connection.execute(select(done.exists())).scalar_one())


def move(connection: Connection, reader: str, position: int) -> None:
    """Note that a named reader is done with the events up to a position."""
    connection.execute(
        update(_READERS).where(_READERS.c.reader == reader).values(position=position, moved_at=func.now())
    )


@dataclass(frozen=True, kw_only=True)
class Lag:
    """How far a named reader is behind."""

    reader: str
    behind: int
    """Stamped events that it has not read."""


def slowest(connection: Connection) -> Lag | None:
    """Return the reader that is furthest behind; `None` where there is no named reader."""
    row = connection.execute(
        select(_READERS.c.reader, _READERS.c.position).order_by(_READERS.c.position, _READERS.c.reader).limit(1)
    ).one_or_none()
    return None if row is None else Lag(reader=row.reader, behind=max(last_position(connection) - row.position, 0))


def forget_reader(connection: Connection, reader: str) -> None:
    """Delete a named reader: events wait for it no longer."""
    connection.execute(delete(_READERS).where(_READERS.c.reader == reader))


def forget_old(connection: Connection, age: timedelta) -> int:
    """Delete events that are older and that every named reader is done with; return how many.

    The newest stamped event stays, as positions go on from it.
    """
    too_old = func.now() - age
    # The events up to one position, and none between: whoever is behind finds out that some are gone.
    first_kept = select(func.min(_T.c.position)).where(_T.c.created_at >= too_old).scalar_subquery()
    read_by_all = select(func.min(_READERS.c.position)).scalar_subquery()
    newest = select(func.max(_T.c.position)).scalar_subquery()
    forgotten = connection.execute(
        delete(_T).where(_T.c.position <= func.least(newest - 1, first_kept - 1, read_by_all))
    ).rowcount
    events_left = select(literal(1)).where(_T.c.subject == _SUBJECTS.c.subject).exists()
    connection.execute(delete(_SUBJECTS).where(_SUBJECTS.c.seq == 0, _SUBJECTS.c.changed_at < too_old, ~events_left))
    return forgotten


_STAMP = text("""
    WITH unstamped AS (SELECT id FROM events WHERE position IS NULL ORDER BY id LIMIT :limit),
         last AS (SELECT coalesce(max(position), 0) AS position FROM events),
         numbered AS (SELECT id, last.position + row_number() OVER (ORDER BY id) AS position FROM unstamped, last)
    UPDATE events SET position = numbered.position FROM numbered WHERE events.id = numbered.id
""")
