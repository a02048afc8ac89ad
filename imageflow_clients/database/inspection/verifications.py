"""Rows of people's verdicts."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from imageflow_clients.database.core import events
from imageflow_clients.database.inspection.schema import verifications
from imageflow_domain import batch_events
from imageflow_domain.errors import Conflict
from imageflow_domain.inspection import Disagreement, Verdict, Verification, batch_key


def add(
    connection: Connection,
    *,
    batch: int,
    inspection: int,
    place: int,
    item: str,
    verdict: Verdict,
    inspector: str,
    notes: str,
    seconds: float,
    request_id: str | None,
) -> tuple[Verification, bool]:
    """Insert a verdict; return it, and whether it is new.

    A request that was answered before gives what it gave then. Raises `Conflict` where it asked for something else.
    """
    row = connection.execute(
        upsert(verifications)
        .values(
            inspection_id=inspection,
            place=place,
            item=item,
            verdict=verdict,
            inspector=inspector,
            notes=notes,
            seconds=seconds,
            request_id=request_id,
        )
        .on_conflict_do_nothing(index_elements=["request_id"])
        .returning(verifications)
    ).one_or_none()
    if row is not None:
        verification = _verification(row)
        events.append(connection, batch_events.verdict_given(batch, verification))
        return verification, True
    before = _verification(
        connection.execute(select(verifications).where(verifications.c.request_id == request_id)).one()
    )
    asked = (inspection, place, item, verdict, inspector)
    if asked != (before.inspection_id, before.place, before.item, before.verdict, before.inspector):
        raise Conflict(f"The request '{request_id}' was another verdict: send a new id with a new verdict.")
    return before, False


def replaced_by(connection: Connection, verification: Verification) -> Verification | None:
    """Return the verdict that was the latest on a picture or item before this one."""
    row = connection.execute(
        select(verifications)
        .where(
            verifications.c.inspection_id == verification.inspection_id,
            verifications.c.place == verification.place,
            verifications.c.item == verification.item,
            verifications.c.id < verification.id,
        )
        .order_by(verifications.c.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else _verification(row)


def of_picture(connection: Connection, inspection: int, place: int) -> tuple[Verification, ...]:
    """Return what people said of a picture, oldest first."""
    rows = connection.execute(
        select(verifications)
        .where(verifications.c.inspection_id == inspection, verifications.c.place == place)
        .order_by(verifications.c.id)
    )
    return tuple(_verification(row) for row in rows)


def page(
    connection: Connection, *, inspector: str | None = None, before: int | None = None, limit: int = 100
) -> tuple[Verification, ...]:
    """Return up to `limit` verdicts, newest first, whose id is below `before`."""
    query = select(verifications).order_by(verifications.c.id.desc()).limit(limit)
    if inspector is not None:
        query = query.where(verifications.c.inspector == inspector)
    if before is not None:
        query = query.where(verifications.c.id < before)
    return tuple(_verification(row) for row in connection.execute(query))


def disagreements(
    connection: Connection,
    *,
    product: str | None = None,
    day: date | None = None,
    before: int | None = None,
    limit: int = 100,
) -> tuple[Disagreement, ...]:
    """Return up to `limit` latest verdicts of people that differ from the pipelines', newest first, ids below `before`.

    Only inspections that count are looked at, and only verdicts given on `day` (UTC), if that is given.
    """
    begins = None if day is None else datetime.combine(day, time(), UTC)
    values = {
        "product": product,
        "begins": begins,
        "ends": None if begins is None else begins + timedelta(days=1),
        "before": before,
        "limit": limit,
    }
    rows = connection.execute(_DISAGREEMENTS, values)
    return tuple(
        Disagreement(
            batch=batch_key(row.product, row.batch_name),
            picture=row.picture_name,
            pipelines_said=Verdict(row.pipelines_said),
            verification=_verification(row),
        )
        for row in rows
    )


def _verification(row: Row[Any]) -> Verification:
    return Verification(
        id=row.id,
        inspection_id=row.inspection_id,
        place=row.place,
        item=row.item,
        verdict=Verdict(row.verdict),
        inspector=row.inspector,
        notes=row.notes,
        seconds=row.seconds,
        created_at=row.created_at,
    )


_DISAGREEMENTS = text("""
    SELECT v.*, b.product, b.name AS batch_name, p.name AS picture_name,
           coalesce(items.verdict, pictures.verdict) AS pipelines_said
    FROM verifications AS v
    JOIN batches AS b ON b.inspection_id = v.inspection_id
    JOIN batch_pictures AS p ON p.batch_id = b.id AND p.place = v.place
    JOIN picture_results AS pictures ON pictures.inspection_id = v.inspection_id AND pictures.place = v.place
    LEFT JOIN item_results AS items
        ON items.inspection_id = v.inspection_id AND items.place = v.place AND items.item = v.item
    WHERE v.verdict <> coalesce(items.verdict, pictures.verdict)
      AND (cast(:product AS text) IS NULL OR b.product = :product)
      AND v.id < coalesce(cast(:before AS bigint), 9223372036854775807)
      AND v.created_at >= coalesce(cast(:begins AS timestamptz), '-infinity')
      AND v.created_at < coalesce(cast(:ends AS timestamptz), 'infinity')
      AND NOT EXISTS (SELECT FROM verifications AS later WHERE later.inspection_id = v.inspection_id
                      AND later.place = v.place AND later.item = v.item AND later.id > v.id)
    ORDER BY v.id DESC LIMIT :limit
""")
