"""Rows that say which inspections were reported to Dagster, so that a crash on the way loses none."""

from sqlalchemy import Connection, func, select, update

from imageflow_clients.database.inspection import batches as batch_rows
from imageflow_clients.database.inspection.schema import batches, inspections
from imageflow_domain.inspection import Batch, BatchState


def unreported(connection: Connection, limit: int, *, tries: int) -> tuple[Batch, ...]:
    """Return up to `limit` batches whose inspection that counts was not reported, oldest inspection first.

    Only the newest version of a batch is looked at, and none whose report failed `tries` times.
    """
    later = batches.alias("later")
    replaced = select(later.c.id).where(
        later.c.product == batches.c.product, later.c.name == batches.c.name, later.c.version > batches.c.version
    )
    ids = connection.execute(
        select(batches.c.id)
        .join(inspections, inspections.c.id == batches.c.inspection_id)
        .where(
            inspections.c.done_at.is_not(None),
            inspections.c.reported_at.is_(None),
            batches.c.state == BatchState.INSPECTED,
            batches.c.report_tries < tries,
            ~replaced.exists(),
        )
        .order_by(inspections.c.id)
        .limit(limit)
    ).scalars()
    wanted = list(ids)
    found = batch_rows.get_many(connection, wanted)
    return tuple(found[batch] for batch in wanted)


def note_try(connection: Connection, batch: Batch) -> None:
    """Note that a run failed to report a batch; noting it again of the same `Batch` changes nothing."""
    connection.execute(
        update(batches)
        .where(
            batches.c.id == batch.id,
            batches.c.switches == batch.switches,
            batches.c.report_tries == batch.report_tries,
        )
        .values(report_tries=batch.report_tries + 1)
    )


def set_reported(connection: Connection, inspection: int) -> None:
    """Note that an inspection was reported."""
    connection.execute(update(inspections).where(inspections.c.id == inspection).values(reported_at=func.now()))


def set_unreported(connection: Connection, inspection: int) -> None:
    """Note that an inspection, which counts from now on, is to be reported, though it may have been before."""
    connection.execute(update(inspections).where(inspections.c.id == inspection).values(reported_at=None))
