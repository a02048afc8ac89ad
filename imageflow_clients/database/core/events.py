"""The event log: what happened to each subject, written by the transaction that changes it, and read in order.

A subject's events are numbered under a lock that lasts until their transaction ends: they become visible in order.
`event_positions` has the order of all subjects' events.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Row, delete, literal, select, text, tuple_, update

from imageflow_clients.database.core import schema
from imageflow_domain.errors import EventsForgotten
from imageflow_domain.events import BEGINNING, Event, EventCursor, LoggedEvent

CHANNEL = "imageflow_events"
"""What is notified when events are committed. A notification only wakes readers: what happened stands in the log."""

DELETED = "deleted"
"""Kind of a subject's last event; events after it begin another epoch."""

_T = schema.events
_SUBJECTS = schema.event_subjects
_PENDING = "imageflow_events"
_NOW_US = "cast(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"
"""An epoch is the time at which it began: no earlier one is as great, also where its row is gone."""


def append(connection: Connection, event: Event) -> None:
    """Log an event as the last thing that a transaction of `Database.begin` does.

    Raises `RuntimeError` for another connection, whose events would not be logged, and as `Event.check` does.
    """
    event.check()
    pending = connection.info.get(_PENDING)
    if pending is None:
        raise RuntimeError("Events are logged by transactions of Database.begin only.")
    pending.append(event)


@contextmanager
def logged_at_end(connection: Connection) -> Iterator[None]:
    """Log at the end of the block what is appended within it; nothing where the block raises."""
    info = connection.info  # a lost connection has none any more
    pending: list[Event] = []
    info[_PENDING] = pending
    try:
        yield
    finally:
        info.pop(_PENDING, None)
    if pending:
        _write(connection, pending)


def forget_subjects(connection: Connection, first: str, end: str) -> None:
    """Delete the sequences of subjects from `first` up to, and without, `end`; no event may follow for any of them."""
    connection.execute(delete(_SUBJECTS).where(_SUBJECTS.c.subject >= first, _SUBJECTS.c.subject < end))


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """Undo what the block wrote and appended where it raises; the transaction goes on."""
    pending: list[Event] = connection.info[_PENDING]
    before = len(pending)
    try:
        with connection.begin_nested():
            yield
    except BaseException:
        del pending[before:]
        raise


def head(connection: Connection, subject: str) -> EventCursor:
    """Return the place of a subject's newest event; `BEGINNING` where none is known."""
    row = connection.execute(
        select(_SUBJECTS.c.epoch, _SUBJECTS.c.seq).where(_SUBJECTS.c.subject == subject)
    ).one_or_none()
    return BEGINNING if row is None else EventCursor(epoch=row.epoch, seq=row.seq)


def read_subject(connection: Connection, subject: str, *, after: EventCursor, limit: int) -> tuple[LoggedEvent, ...]:
    """Return up to `limit` events of a subject after a place, in order.

    Raises `EventsForgotten` where the events after that place are not kept any more, or the place is none of this log.
    """
    newest = head(connection, subject)  # first: the next statement sees every event that this one counts
    rows = connection.execute(
        select(_T)
        .where(_T.c.subject == subject, tuple_(_T.c.epoch, _T.c.seq) > tuple_(literal(after.epoch), literal(after.seq)))
        .order_by(_T.c.epoch, _T.c.seq)
        .limit(limit)
    )
    found = tuple(logged(row) for row in rows)
    follows = after.is_followed_by(found[0].cursor) if found else after == newest
    if not follows and not _is_end_of_life(connection, subject, after):
        raise EventsForgotten(
            f"The events of '{subject}' after {after} are not kept any more: read its current state, and go on."
        )
    return found


def _is_end_of_life(connection: Connection, subject: str, cursor: EventCursor) -> bool:
    kind = select(_T.c.kind).where(_T.c.subject == subject, _T.c.epoch == cursor.epoch, _T.c.seq == cursor.seq)
    return connection.execute(kind).scalar_one_or_none() == DELETED


def logged(row: Row[Any]) -> LoggedEvent:
    """Return the event of a row as it is: every version reads what another one logged."""
    return LoggedEvent(
        event=Event(subject=row.subject, kind=row.kind, data=row.data),
        cursor=EventCursor(epoch=row.epoch, seq=row.seq),
        position=row.position,
        created_at=row.created_at,
    )


def _write(connection: Connection, pending: Sequence[Event]) -> None:
    by_subject = attrgetter("subject")
    # Sorted: no two transactions wait for each other's subjects.
    for subject, own in groupby(sorted(pending, key=by_subject), key=by_subject):
        for life in _lives(own):
            _write_life(connection, subject, life)
    connection.execute(_NOTIFY)


_NOTIFY = text(f"SELECT pg_notify('{CHANNEL}', '')")


def _lives(events: Iterator[Event]) -> Iterator[list[Event]]:
    """Cut a subject's events behind each deletion."""
    life: list[Event] = []
    for event in events:
        life.append(event)
        if event.kind == DELETED:
            yield life
            life = []
    if life:
        yield life


def _write_life(connection: Connection, subject: str, life: Sequence[Event]) -> None:
    data = [json.dumps(event.data, ensure_ascii=False) for event in life]
    connection.execute(
        _WRITE,
        {"subject": subject, "count": len(life), "kinds": [event.kind for event in life], "data": data},
    )
    if life[-1].kind == DELETED:
        connection.execute(
            update(_SUBJECTS)
            .where(_SUBJECTS.c.subject == subject)
            .values(epoch=text(f"greatest(epoch + 1, {_NOW_US})"), seq=0)
        )


# One statement, as each transaction of an execution has one: the subject's lock, its numbers, and the events.
_WRITE = text("""
    WITH numbered AS (
        INSERT INTO event_subjects (subject, epoch, seq)
            VALUES (:subject, cast(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint), :count)
        ON CONFLICT (subject) DO UPDATE SET seq = event_subjects.seq + :count, changed_at = now()
        RETURNING epoch, seq
    )
    INSERT INTO events (subject, epoch, seq, kind, data)
        SELECT :subject, numbered.epoch, numbered.seq - :count + given.number, given.kind, given.data::jsonb
        FROM numbered, unnest(CAST(:kinds AS text[]), CAST(:data AS text[]))
            WITH ORDINALITY AS given(kind, data, number)
        ORDER BY given.number
""")
