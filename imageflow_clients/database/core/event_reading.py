"""Readers of all subjects' events: what they do with an event and their place are committed together."""

import logging
from collections.abc import Callable
from enum import StrEnum, unique

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError

from imageflow_clients.database.core import event_positions, events
from imageflow_clients.database.core.engine import Database
from imageflow_domain.errors import ImageFlowError, NotReady, Unavailable
from imageflow_domain.events import LoggedEvent

_LOG = logging.getLogger(__name__)

_PAGE = 100

_PASSES = (NotReady, Unavailable)
"""Errors that the next call may not meet."""

_UNREADABLE = (ImageFlowError, ValueError, KeyError, TypeError, IntegrityError, DataError)
"""What an event raises that the reader cannot use, each time it is read."""


@unique
class Reader(StrEnum):
    """Who reads all events. Each has a place of its own, and what it has not read yet is kept.

    A reader begins with what is stamped after its first look, unless a migration gives it a place before. A migration
    also deletes the place of one that is removed: events would wait for it for ever.
    """

    ALERTS = "alerts"
    VERDICTS = "verdicts"


def read_on(database: Database, reader: str, handle: Callable[[Connection, LoggedEvent], None]) -> None:
    """Hand every event to a named reader, from where it is to the newest one, each exactly once.

    Events are handed out in order, up to 100 in a transaction that also moves the reader's place: a reader that is
    killed, or that raises, gets them again, and what it had done with them is undone. An event that the reader cannot
    use, e.g. one that another version logged, is written to the process's log and passed over; what `handle` did with
    it is undone.

    Args:
        database: Where the log is.
        reader: Its name, one of `Reader`. Others that read by this name wait.
        handle: Does the reader's work for one event, by the connection that it is given, and nowhere else.

    Raises `EventsForgotten` as `event_positions.read_all` does, and what `handle` raises for another reason than the
    event: `NotReady`, `Unavailable`, errors of the database's connection, faults of the program.
    """
    while _read_page(database, reader, handle) == _PAGE:
        pass


def _read_page(database: Database, reader: str, handle: Callable[[Connection, LoggedEvent], None]) -> int:
    with database.begin() as connection:
        event_positions.stamp(connection)
    with database.begin() as connection:
        if event_positions.is_done(connection, reader):
            return 0  # most of the time, and nothing is locked or written
        position = event_positions.position_of(connection, reader)
        page = event_positions.read_all(connection, after=position, limit=_PAGE)
        for event in page:
            _hand(connection, reader, event, handle)
        event_positions.move(connection, reader, position + len(page))
        return len(page)


def _hand(
    connection: Connection, reader: str, one: LoggedEvent, handle: Callable[[Connection, LoggedEvent], None]
) -> None:
    try:
        with events.savepoint(connection):
            handle(connection, one)
    except _PASSES:
        raise
    except _UNREADABLE:
        # Raised again, it would stop this reader for ever, and the deletion of old events with it.
        _LOG.exception(
            "reader %s passes over event %s, '%s' of '%s'", reader, one.position, one.event.kind, one.event.subject
        )
