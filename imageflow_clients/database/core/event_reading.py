"""Readers of all subjects' events: what they do with an event and their place are committed together."""

from collections.abc import Callable
from enum import StrEnum, unique

from sqlalchemy import Connection

from imageflow_clients.database.core import event_positions
from imageflow_clients.database.core.engine import Database
from imageflow_domain.events import LoggedEvent

_PAGE = 100


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
    killed, or that raises, gets them again, and what it had done with them is undone.

    Args:
        database: Where the log is.
        reader: Its name, one of `Reader`. Others that read by this name wait.
        handle: Does the reader's work for one event, by the connection that it is given, and nowhere else.

    Raises `Gone` as `event_positions.read_all` does, and whatever `handle` raises.
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
            handle(connection, event)
        event_positions.move(connection, reader, position + len(page))
        return len(page)
