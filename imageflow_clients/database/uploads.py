"""Rows of uploaded folders that were noticed: each closed folder starts one survey, once."""

from sqlalchemy import Connection, insert, select

from imageflow_clients.database import schema

_T = schema.uploads


def note(
    connection: Connection, prefix: str, closing_etag: str, *, survey: str | None = None, reason: str | None = None
) -> None:
    """Note which survey a closed folder began, or why it began none; a second note of one folder is refused."""
    connection.execute(insert(_T).values(prefix=prefix, closing_etag=closing_etag, survey_id=survey, reason=reason))


def noticed(connection: Connection) -> frozenset[tuple[str, str]]:
    """Return prefix and closing etag of every folder that was noticed."""
    rows = connection.execute(select(_T.c.prefix, _T.c.closing_etag))
    return frozenset((row.prefix, row.closing_etag) for row in rows)
