"""Rows of tile objects: which may be in the store, and since when nobody has needed them.

A tile refers to its object before the object is looked for or written, and a sweep deletes under a lock on the
digest: so no tile that is kept loses its object, whatever dies in between.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta

from sqlalchemy import Connection, bindparam, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from imageflow_clients.database.maps import tile_schema

_O = tile_schema.tile_objects
_T = tile_schema.tiles
_IS_NEEDED = exists(select(_T.c.digest).where(_T.c.digest == _O.c.digest))


def refer(connection: Connection, digests: Collection[str]) -> dict[str, int]:
    """Keep these objects from every sweep, and return the bytes of those that are known to be in the store.

    To be called in the transaction that writes the tiles; only once it is committed may anybody look for the others.
    """
    if not digests:
        return {}
    # in one order, or two who cut equal tiles would wait for each other
    ordered = sorted(digests)
    connection.execute(
        upsert(_O).on_conflict_do_update(index_elements=["digest"], set_={"unreferenced_at": None}),
        [{"digest": digest} for digest in ordered],
    )
    rows = connection.execute(select(_O.c.digest, _O.c.bytes).where(_O.c.digest.in_(ordered), _O.c.bytes.is_not(None)))
    return {row.digest: row.bytes for row in rows}


def note_stored(connection: Connection, sizes: Mapping[str, int]) -> None:
    """Note objects that lie in the store whole, with their bytes."""
    if sizes:
        connection.execute(
            update(_O).where(_O.c.digest == bindparam("of")).values(bytes=bindparam("size")),
            [{"of": digest, "size": sizes[digest]} for digest in sorted(sizes)],
        )


def mark_unreferenced(connection: Connection) -> int:
    """Note for every object that no tile needs since when that is so; return how many were noted now."""
    unneeded = (
        select(_O.c.digest)
        .where(_O.c.unreferenced_at.is_(None), ~_IS_NEEDED)
        .order_by(_O.c.digest)  # as `refer` locks them, or a sweep and a survey would wait for each other
        .with_for_update(key_share=True)
        .cte("unneeded")
    )
    return connection.execute(
        update(_O).where(_O.c.digest.in_(select(unneeded.c.digest))).values(unreferenced_at=func.now())
    ).rowcount


def unreferenced_for(connection: Connection, grace: timedelta, *, after: str, limit: int) -> tuple[str, ...]:
    """Return up to `limit` objects beyond `after` that were noted as not needed at least so long ago, by digest."""
    rows = connection.execute(
        select(_O.c.digest)
        .where(_O.c.unreferenced_at <= func.now() - grace, _O.c.digest > after)
        .order_by(_O.c.digest)
        .limit(limit)
    )
    return tuple(rows.scalars())


def count_unreferenced(connection: Connection) -> int:
    """Return how many objects no tile needs that are not noted so yet."""
    query = select(func.count()).select_from(_O).where(_O.c.unreferenced_at.is_(None), ~_IS_NEEDED)
    return connection.execute(query).scalar_one()


def count_unreferenced_for(connection: Connection, grace: timedelta) -> int:
    """Return how many objects were noted as not needed at least so long ago, and still are not."""
    query = select(func.count()).select_from(_O).where(_O.c.unreferenced_at <= func.now() - grace, ~_IS_NEEDED)
    return connection.execute(query).scalar_one()


def lock_unneeded(connection: Connection, digest: str) -> bool:
    """Lock one object against whoever would refer to it; return whether it still is needed by nobody."""
    noted = connection.execute(
        select(_O.c.digest).where(_O.c.digest == digest, _O.c.unreferenced_at.is_not(None)).with_for_update()
    ).one_or_none()
    if noted is None:
        return False
    # a statement of its own: it sees what was committed while we waited for the lock
    if connection.execute(select(exists().where(_T.c.digest == digest))).scalar_one():
        connection.execute(update(_O).where(_O.c.digest == digest).values(unreferenced_at=None))
        return False
    return True


def note_missing(connection: Connection, digest: str) -> None:
    """Note, before an object is deleted, that it may no longer be in the store."""
    connection.execute(update(_O).where(_O.c.digest == digest).values(bytes=None))


def forget(connection: Connection, digest: str) -> None:
    """Delete the row of an object that is gone."""
    connection.execute(delete(_O).where(_O.c.digest == digest))
