"""The partitions of the history: one a month, made before the month begins, dropped when it is no longer kept."""

import uuid
from datetime import UTC, datetime

from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, delete, exists, select, text
from sqlalchemy.exc import OperationalError

from imageflow_clients.database.core import events
from imageflow_clients.database.executions.schema import execution_keys, executions
from imageflow_domain.execution_events import subject_of
from imageflow_domain.executions import ENDS, first_id

_TABLES = ("executions", "execution_steps", "execution_logs")
_LOCK = 0x65786563  # "exec": any number that no other code locks
_PATIENCE = "2s"


def make_months(connection: Connection, *, ahead: int) -> tuple[str, ...]:
    """Make the partitions of this month and of those ahead; return the names of those that were missing."""
    now: datetime = connection.execute(text("SELECT now()")).scalar_one()
    wanted = [(table, month) for month in _months(now, ahead + 1) for table in _TABLES]
    there = _there(connection)
    if all(_name(table, month) in there for table, month in wanted):
        return ()
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    there = _there(connection)
    made = []
    for table, month in wanted:
        name = _name(table, month)
        if name not in there:
            begin, end = first_id(month), first_id(_next(month))
            connection.execute(
                text(f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ('{begin}') TO ('{end}')")
            )
            made.append(name)
    return tuple(made)


def older_than(connection: Connection, keep: int) -> tuple[str, ...]:
    """Return the months that end before the last `keep` whole months and the present one, the oldest first.

    They are spelled as `2026-11`.
    """
    now: datetime = connection.execute(text("SELECT now()")).scalar_one()
    utc = now.astimezone(UTC)
    first = utc.year * 12 + utc.month - 1 - keep
    begin = f"{first // 12:04}-{first % 12 + 1:02}"
    prefix = f"{_TABLES[0]}_"
    found = (name.removeprefix(prefix).replace("_", "-") for name in _there(connection) if name.startswith(prefix))
    return tuple(sorted(month for month in found if month < begin))


def has_unfinished(connection: Connection, month: str) -> bool:
    """Return whether an execution that was made in a month waits, or is worked on."""
    begin, end = _ids(month)
    unfinished = executions.c.state.not_in(ENDS)
    found = exists().where(executions.c.id >= begin, executions.c.id < end, unfinished)
    return bool(connection.execute(select(found)).scalar_one())


def drop(connection: Connection, month: str) -> bool:
    """Delete every row of the executions of a month; what it costs hardly depends on how many there were.

    Return `False`, with nothing deleted, where another transaction, such as a backup, reads the tables for more than
    two seconds: all executions would wait behind this one.
    """
    try:
        with connection.begin_nested():
            connection.execute(text(f"SET LOCAL lock_timeout = '{_PATIENCE}'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            for table in _TABLES:
                connection.execute(text(f"DROP TABLE IF EXISTS {_name(table, _begin(month))}"))
    except OperationalError as error:
        if isinstance(error.orig, LockNotAvailable):
            return False
        raise
    begin, end = _ids(month)
    connection.execute(
        delete(execution_keys).where(execution_keys.c.execution_id >= begin, execution_keys.c.execution_id < end)
    )
    events.forget_subjects(connection, subject_of(begin), subject_of(end))
    return True


def _ids(month: str) -> tuple[uuid.UUID, uuid.UUID]:
    begin = _begin(month)
    return first_id(begin), first_id(_next(begin))


def _begin(month: str) -> datetime:
    return datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)


def _there(connection: Connection) -> set[str]:
    found = connection.execute(
        text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = ANY(CAST(:tables AS regclass[]))"),
        {"tables": list(_TABLES)},
    )
    return set(found.scalars())


def _name(table: str, month: datetime) -> str:
    return f"{table}_{month:%Y_%m}"


def _months(now: datetime, count: int) -> list[datetime]:
    utc = now.astimezone(UTC)
    months = [datetime(utc.year, utc.month, 1, tzinfo=UTC)]
    while len(months) < count:
        months.append(_next(months[-1]))
    return months


def _next(month: datetime) -> datetime:
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
