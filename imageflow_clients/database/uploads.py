"""Rows of uploaded folders that were noticed: each closed folder starts one survey, once."""

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from imageflow_clients.database import schema

_T = schema.uploads


def claim(connection: Connection, prefix: str, closing_etag: str) -> bool:
    """Note a closed folder; return False where it was noticed before."""
    row = connection.execute(
        upsert(_T).values(prefix=prefix, closing_etag=closing_etag).on_conflict_do_nothing().returning(_T.c.id)
    ).one_or_none()
    return row is not None


def settle(
    connection: Connection, prefix: str, closing_etag: str, *, survey: str | None = None, reason: str | None = None
) -> None:
    """Note which survey a claimed folder began, or why it began none."""
    connection.execute(
        update(_T)
        .where(_T.c.prefix == prefix, _T.c.closing_etag == closing_etag)
        .values(survey_id=survey, reason=reason)
    )


def noticed(connection: Connection) -> frozenset[tuple[str, str]]:
    """Return every folder and closing etag that was noticed."""
    return frozenset(
        (row.prefix, row.closing_etag) for row in connection.execute(select(_T.c.prefix, _T.c.closing_etag))
    )
