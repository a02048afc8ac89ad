"""The event log: what happened to each subject, written by the transaction that changes it, and read in order.

A subject's events are numbered under a lock that lasts until their transaction ends: they become visible in order.
`event_positions` has the order of all subjects' events.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
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
    # Sorted: no two transactions wait for each other's subjects.
    for some in _cut_behind_deletions(sorted(pending, key=attrgetter("subject"))):
        data = [json.dumps(event.data, ensure_ascii=False) for event in some]
        given = {
            "channel": CHANNEL,
            "subjects": [event.subject for event in some],
            "kinds": [event.kind for event in some],
            "data": data,
        }
        connection.execute(_WRITE, given)
        if some[-1].kind == DELETED:
            connection.execute(
                update(_SUBJECTS)
                .where(_SUBJECTS.c.subject == some[-1].subject)
                .values(epoch=text(f"greatest(epoch + 1, {_NOW_US})"), seq=0)
            )


def _cut_behind_deletions(events: Iterable[Event]) -> Iterator[list[Event]]:
    """Cut events behind each deletion, as those that follow belong to another epoch of the subject."""
    some: list[Event] = []
    for event in events:
        some.append(event)
        if event.kind == DELETED:
            yield some
            some = []
    if some:
        yield some


# One statement, as each transaction of an execution has one: the subjects' locks, their numbers, the events, and the
# notification.
_WRITE = text("""
    WITH given AS (
        SELECT * FROM unnest(CAST(:subjects AS text[]), CAST(:kinds AS text[]), CAST(:data AS text[]))
            WITH ORDINALITY AS each(subject, kind, data, number)
    ), numbered AS (
        INSERT INTO event_subjects (subject, epoch, seq)
            SELECT subject, cast(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint), count(*)
            FROM given GROUP BY subject ORDER BY subject COLLATE "C"
        ON CONFLICT (subject) DO UPDATE SET seq = event_subjects.seq + excluded.seq, changed_at = now()
        RETURNING subject, epoch, seq
    ), written AS (
        INSERT INTO events (subject, epoch, seq, kind, data)
            SELECT subject, epoch, seq + 1 - row_number() OVER (PARTITION BY subject ORDER BY number DESC),
                   kind, data::jsonb
            FROM given JOIN numbered USING (subject)
            ORDER BY subject COLLATE "C", number
    )
    SELECT pg_notify(:channel, '')
""")
