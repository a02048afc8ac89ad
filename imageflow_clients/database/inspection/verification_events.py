"""Rows that gather a batch's verdicts for Dagster: an open one takes verdicts in, a sealed one is reported as it is."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, func, text, update

from imageflow_clients.database.inspection.schema import verification_events
from imageflow_domain.inspection import VerificationEvent


def add_verdict(connection: Connection, batch: int, given_at: datetime) -> None:
    """Count a verdict in the open row of a batch, which is made where there is none; nothing where the batch is gone.

    Args:
        connection: In a transaction.
        batch: Its id.
        given_at: When the verdict was given.
    """
    connection.execute(_ADD, {"batch": batch, "given_at": given_at})


def seal_due(connection: Connection, quiet: timedelta) -> None:
    """Seal the open rows of batches whose pictures are all verified, or that got no verdict for this long."""
    connection.execute(_SEAL, {"quiet_s": quiet.total_seconds()})


def unreported(connection: Connection, limit: int) -> tuple[VerificationEvent, ...]:
    """Return up to `limit` sealed rows that are not known to be reported, oldest first."""
    return tuple(VerificationEvent(**row._mapping) for row in connection.execute(_UNREPORTED, {"limit": limit}))


def set_reported(connection: Connection, event: int) -> None:
    """Note that a sealed row was reported."""
    connection.execute(
        update(verification_events)
        .where(verification_events.c.id == event, verification_events.c.reported_at.is_(None))
        .values(reported_at=func.now())
    )


_ADD = text("""
    INSERT INTO verification_events AS e (batch_id, verifications, newest_at)
    SELECT id, 1, :given_at FROM batches WHERE id = :batch
    ON CONFLICT (batch_id) WHERE sealed_at IS NULL DO UPDATE
    SET verifications = e.verifications + 1, newest_at = greatest(e.newest_at, excluded.newest_at)
""")

_VERIFIED = """
    (SELECT count(DISTINCT v.place) FROM verifications AS v WHERE v.inspection_id = b.inspection_id)
"""

_SEAL = text(f"""
    UPDATE verification_events AS e
    SET sealed_at = now(), pictures = b.pictures, verified_pictures = {_VERIFIED}, disagreements =
        (SELECT count(*) FROM verifications AS v
         JOIN picture_results AS pictures USING (inspection_id, place)
         LEFT JOIN item_results AS items USING (inspection_id, place, item)
         WHERE v.inspection_id = b.inspection_id AND v.verdict <> coalesce(items.verdict, pictures.verdict)
           AND NOT EXISTS (SELECT FROM verifications AS later WHERE later.inspection_id = v.inspection_id
                           AND later.place = v.place AND later.item = v.item AND later.id > v.id))
    FROM batches AS b
    WHERE b.id = e.batch_id AND e.sealed_at IS NULL
      AND (e.newest_at <= now() - make_interval(secs => :quiet_s) OR {_VERIFIED} >= b.pictures)
""")  # noqa: S608 - the parts are constants

_UNREPORTED = text("""
    SELECT e.id, e.batch_id, b.product, b.name, b.version, e.verifications, e.verified_pictures, e.pictures,
           e.disagreements
    FROM verification_events AS e JOIN batches AS b ON b.id = e.batch_id
    WHERE e.sealed_at IS NOT NULL AND e.reported_at IS NULL ORDER BY e.id LIMIT :limit
""")
