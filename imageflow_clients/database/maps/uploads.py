"""Rows of uploaded folders that were noticed: each closed folder starts one survey, once."""

from sqlalchemy import Connection, insert, select

from imageflow_clients.database.maps import schema
from imageflow_domain.survey import RefusedUpload

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


def refused(connection: Connection, *, before: int | None = None, limit: int = 100) -> tuple[RefusedUpload, ...]:
    """Return up to `limit` folders that began no survey, newest first, whose id is below `before`.

    A folder that was corrected and closed again is listed only if it still began none.
    """
    later = _T.alias("later")
    newer = select(later.c.id).where(later.c.prefix == _T.c.prefix, later.c.id > _T.c.id)
    query = select(_T).where(_T.c.survey_id.is_(None), ~newer.exists()).order_by(_T.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(_T.c.id < before)
    return tuple(
        RefusedUpload(id=row.id, prefix=row.prefix, reason=row.reason or "", noticed_at=row.noticed_at)
        for row in connection.execute(query)
    )
