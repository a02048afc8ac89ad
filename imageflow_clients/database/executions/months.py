"""The partitions of the history: one a month, made before the month begins."""

from datetime import UTC, datetime

from sqlalchemy import Connection, text

from imageflow_domain.executions import first_id

_TABLES = ("executions", "execution_steps")
_LOCK = 0x65786563  # "exec": any number that no other code locks


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
