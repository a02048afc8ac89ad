"""Rows of manifests: which batch each closed, or why an upload is no batch."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert as upsert

from imageflow_clients.database.inspection.schema import manifests
from imageflow_domain.inspection import RefusedBatch


def note_manifest(connection: Connection, key: str, batch: int) -> None:
    """Note which batch a manifest closed; one that was noted before stays as it is."""
    connection.execute(upsert(manifests).values(key=key, batch_id=batch).on_conflict_do_nothing())


def note_refused(connection: Connection, reasons: Mapping[str, str]) -> tuple[RefusedBatch, ...]:
    """Note why manifests, folders or files are no batches, by key, and return those that were not noted before."""
    if not reasons:
        return ()
    rows = connection.execute(
        upsert(manifests)
        .values([{"key": key, "reason": reason[:2000]} for key, reason in sorted(reasons.items())])
        .on_conflict_do_nothing()
        .returning(manifests)
    )
    return tuple(RefusedBatch(key=row.key, reason=row.reason, noticed_at=row.noticed_at) for row in rows)


def forget_refusal(connection: Connection, key: str) -> None:
    """Forget why a folder was no batch: it is one now."""
    connection.execute(manifests.delete().where(manifests.c.key == key))


def noted_manifests(connection: Connection, keys: Iterable[str]) -> frozenset[str]:
    """Return those of `keys` that were noted."""
    return frozenset(connection.execute(select(manifests.c.key).where(manifests.c.key.in_(list(keys)))).scalars())


def refusals(connection: Connection, *, after: str = "", limit: int = 100) -> tuple[RefusedBatch, ...]:
    """Return up to `limit` uploads that are no batches, by key beyond `after`."""
    rows = connection.execute(
        select(manifests)
        .where(manifests.c.reason.is_not(None), manifests.c.key > after)
        .order_by(manifests.c.key)
        .limit(limit)
    )
    return tuple(RefusedBatch(key=row.key, reason=row.reason, noticed_at=row.noticed_at) for row in rows)
