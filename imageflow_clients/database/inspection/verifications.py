"""Rows of people's verdicts, and the outbox by which they become events."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from imageflow_clients.database.inspection.schema import outbox, verification_events, verifications
from imageflow_domain.errors import Conflict
from imageflow_domain.inspection import Disagreement, Verdict, Verification, VerificationEvent, batch_key


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
    """Insert a verdict and its outbox row; return it, and whether it is new.

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
        connection.execute(insert(outbox).values(verification_id=row.id, batch_id=batch))
        return _verification(row), True
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
    told = {
        "product": product,
        "begins": begins,
        "ends": None if begins is None else begins + timedelta(days=1),
        "before": before,
        "limit": limit,
    }
    rows = connection.execute(_DISAGREEMENTS, told)
    return tuple(
        Disagreement(
            batch=batch_key(row.product, row.batch_name),
            picture=row.picture_name,
            pipelines_said=Verdict(row.pipelines_said),
            verification=_verification(row),
        )
        for row in rows
    )


def due_batches(connection: Connection, quiet: timedelta) -> tuple[int, ...]:
    """Return the batches whose verdicts are to be reported: all pictures verified, or quiet for so long."""
    return tuple(connection.execute(_DUE, {"quiet_s": quiet.total_seconds()}).scalars())


def begin_event(connection: Connection, batch: int) -> None:
    """Put all verdicts of a batch that wait into one event, whose content is fixed from now on."""
    row = connection.execute(_BEGIN_EVENT, {"batch": batch}).one()
    if row.verifications == 0:
        return
    event = connection.execute(
        insert(verification_events).values(batch_id=batch, **row._mapping).returning(verification_events.c.id)
    ).scalar_one()
    connection.execute(
        update(outbox).where(outbox.c.batch_id == batch, outbox.c.event_id.is_(None)).values(event_id=event)
    )


def unreported_events(connection: Connection, limit: int) -> tuple[VerificationEvent, ...]:
    """Return up to `limit` events that nobody is known to have reported, oldest first."""
    rows: Sequence[Row[Any]] = connection.execute(_UNREPORTED, {"limit": limit}).all()
    return tuple(VerificationEvent(**row._mapping) for row in rows)


def set_reported(connection: Connection, event: int) -> None:
    """Note that an event was reported."""
    connection.execute(
        update(verification_events)
        .where(verification_events.c.id == event, verification_events.c.reported_at.is_(None))
        .values(reported_at=func.now())
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

_VERIFIED = """
    (SELECT count(DISTINCT v.place) FROM verifications AS v WHERE v.inspection_id = batches.inspection_id)
"""

_DUE = text(f"""
    SELECT batch_id FROM outbox JOIN batches ON batches.id = batch_id
    WHERE event_id IS NULL
    GROUP BY batch_id, batches.inspection_id, batches.pictures
    HAVING max(outbox.created_at) <= now() - make_interval(secs => :quiet_s) OR {_VERIFIED} >= batches.pictures
    ORDER BY batch_id
""")  # noqa: S608 - the parts are constants

_BEGIN_EVENT = text(f"""
    SELECT batches.pictures, {_VERIFIED} AS verified_pictures,
        (SELECT count(*) FROM outbox WHERE batch_id = batches.id AND event_id IS NULL) AS verifications,
        (SELECT count(*) FROM verifications AS v
         JOIN picture_results AS pictures USING (inspection_id, place)
         LEFT JOIN item_results AS items USING (inspection_id, place, item)
         WHERE v.inspection_id = batches.inspection_id AND v.verdict <> coalesce(items.verdict, pictures.verdict)
           AND NOT EXISTS (SELECT FROM verifications AS later WHERE later.inspection_id = v.inspection_id
                           AND later.place = v.place AND later.item = v.item AND later.id > v.id)) AS disagreements
    FROM batches WHERE id = :batch
""")  # noqa: S608

_UNREPORTED = text("""
    SELECT e.id, e.batch_id, b.product, b.name, b.version, e.verifications, e.verified_pictures, e.pictures,
           e.disagreements
    FROM verification_events AS e JOIN batches AS b ON b.id = e.batch_id
    WHERE e.reported_at IS NULL ORDER BY e.id LIMIT :limit
""")
