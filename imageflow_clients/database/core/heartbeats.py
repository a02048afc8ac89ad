"""Rows by which a run's worker says that it is alive."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from imageflow_clients.database.core import schema

_T = schema.run_heartbeats


def beat(connection: Connection, run_id: str, survey: str | None = None) -> None:
    """Say that the worker of a run is alive now, by the database's clock."""
    connection.execute(
        upsert(_T)
        .values(run_id=run_id, survey_id=survey)
        .on_conflict_do_update(index_elements=["run_id"], set_={"seen_at": func.now()})
    )


def silent_for_s(connection: Connection, run_id: str) -> float | None:
    """Return for how many seconds a run's worker has been silent; `None` where it never spoke."""
    age = connection.execute(
        select(func.extract("epoch", func.now() - _T.c.seen_at)).where(_T.c.run_id == run_id)
    ).scalar_one_or_none()
    return None if age is None else float(age)


def seen_at(connection: Connection, name: str) -> datetime | None:
    """Return when `name` last gave a sign of life; `None` where it never did."""
    return connection.execute(select(_T.c.seen_at).where(_T.c.run_id == name)).scalar_one_or_none()


def forget(connection: Connection, silence: timedelta) -> None:
    """Delete the rows of workers that have been silent for longer than this."""
    connection.execute(delete(_T).where(_T.c.seen_at < func.now() - silence))


def age_s(connection: Connection, timestamp: float) -> float:
    """Return how many seconds ago, by the database's clock, an instant was.

    Args:
        timestamp: Seconds since 1970 UTC.
    """
    now: float = connection.execute(select(func.extract("epoch", func.now()))).scalar_one()
    return float(now) - timestamp
