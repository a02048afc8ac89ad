"""Rows of batches and their pictures."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, case, func, insert, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import distinct_on

from imageflow_clients.database.core import events
from imageflow_clients.database.inspection.schema import batch_pictures, batches
from imageflow_domain import batch_events
from imageflow_domain.errors import NotFound
from imageflow_domain.inspection import Batch, BatchState, Picture, batch_key
from imageflow_domain.waiting import Waiting

_WAITS_AGAIN = case((batches.c.source_digest.is_(None), BatchState.CLOSED), else_=BatchState.TAKEN)


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A folder of pictures as a listing shows it."""

    product: str
    name: str
    folder: str
    listing: str
    """Digest of names, sizes and etags."""
    pictures: int
    bytes: int


def add_version(connection: Connection, upload: Upload) -> Batch:
    """Insert the next version of a batch; the versions before stay as they are."""
    last = connection.execute(
        select(func.max(batches.c.version)).where(batches.c.product == upload.product, batches.c.name == upload.name)
    ).scalar_one()
    row = connection.execute(
        insert(batches)
        .values(
            product=upload.product,
            name=upload.name,
            version=(last or 0) + 1,
            folder=upload.folder,
            listing=upload.listing,
            pictures=upload.pictures,
            bytes=upload.bytes,
        )
        .returning(batches)
    ).one()
    batch = _batch(row)
    events.append(connection, batch_events.waits(batch))
    return batch


def set_upload(connection: Connection, batch: int, upload: Upload) -> bool:
    """Note what the upload of a batch looks like now; return whether it was still there to be noted.

    A batch that was taken meanwhile stays what it is.
    """
    return bool(
        connection.execute(
            update(batches)
            .where(batches.c.id == batch, batches.c.state == BatchState.CLOSED)
            .values(listing=upload.listing, pictures=upload.pictures, bytes=upload.bytes)
        ).rowcount
    )


def set_listing(connection: Connection, batch: int, listing: str) -> None:
    """Note another listing of the same contents."""
    connection.execute(update(batches).where(batches.c.id == batch).values(listing=listing))


def set_taken(
    connection: Connection, batch: int, pictures: Sequence[Picture], *, listing: str, source_digest: str
) -> None:
    """Note a batch's pictures, in place of any that an earlier run noted."""
    connection.execute(batch_pictures.delete().where(batch_pictures.c.batch_id == batch))
    connection.execute(
        insert(batch_pictures),
        [
            {
                "batch_id": batch,
                "place": picture.place,
                "name": picture.name,
                "key": picture.key,
                "digest": picture.digest,
                "bytes": picture.bytes,
            }
            for picture in pictures
        ],
    )
    connection.execute(
        update(batches)
        .where(batches.c.id == batch)
        .values(
            state=BatchState.TAKEN,
            reason=None,
            listing=listing,
            source_digest=source_digest,
            pictures=len(pictures),
            bytes=sum(picture.bytes for picture in pictures),
        )
    )


def set_inspected(connection: Connection, batch: int, inspection: int) -> None:
    """Let a finished inspection be the one that counts."""
    connection.execute(
        update(batches)
        .where(batches.c.id == batch)
        .values(
            state=BatchState.INSPECTED,
            reason=None,
            inspection_id=inspection,
            switches=batches.c.switches + 1,
            report_tries=0,
        )
    )
    events.append(connection, batch_events.inspected(batch, inspection))


def note_attempt(
    connection: Connection, batch: int, attempts: int, *, most: int, pause: timedelta, reason: str
) -> Batch:
    """Note that a run gave up on a batch; after `most` of them, since it was last taken up, the batch has failed.

    The same attempt counts once; a batch that is inspected stays so.

    Args:
        connection: In a transaction.
        batch: Its id.
        attempts: How many there were before the one that gave up.
        most: Attempts each time that it is taken up.
        pause: Until it waits again.
        reason: Why, for people.
    """
    failed = (attempts + 1) % most == 0
    noted = connection.execute(
        update(batches)
        .where(
            batches.c.id == batch,
            batches.c.attempts == attempts,
            batches.c.state.in_([BatchState.CLOSED, BatchState.TAKEN]),
        )
        .values(
            attempts=attempts + 1,
            reason=reason[:2000],
            state=BatchState.FAILED if failed else batches.c.state,
            retry_at=func.now() + pause,
        )
    ).rowcount
    if noted and failed:
        events.append(connection, batch_events.given_up(batch, attempts + 1))
    return get(connection, batch)


def take_up_again(connection: Connection, batch: int, *, most: int) -> Batch:
    """Let a batch that failed wait to be inspected again, with `most` attempts; another one stays as it is."""
    is_failed = connection.execute(
        update(batches)
        .where(batches.c.id == batch, batches.c.state == BatchState.FAILED)
        .values(
            state=_WAITS_AGAIN,
            reason=None,
            retry_at=None,
            attempts=_all_attempts(most),
        )
    ).rowcount
    now = get(connection, batch)
    if is_failed:
        events.append(connection, batch_events.waits(now))
    return now


def ask_again(connection: Connection, product: str, names: Collection[str], *, most: int) -> tuple[Batch, ...]:
    """Let the newest versions of batches that are inspected, or failed, wait to be inspected again.

    What was judged of them stays what counts until they are. Each has `most` attempts. Those that wait already are left
    as they are; returns the others, by name.
    """
    rows = connection.execute(
        update(batches)
        .where(
            batches.c.id.in_(_newest(product, names)), batches.c.state.in_([BatchState.INSPECTED, BatchState.FAILED])
        )
        .values(
            state=_WAITS_AGAIN,
            reason=None,
            retry_at=None,
            attempts=_all_attempts(most),
        )
        .returning(batches)
    )
    asked = sorted((_batch(row) for row in rows), key=lambda batch: batch.name)
    for batch in asked:
        events.append(connection, batch_events.waits(batch))
    return tuple(asked)


def hold_inspected(connection: Connection, product: str, names: Collection[str]) -> tuple[Batch, ...]:
    """Return those of these batches whose newest version is inspected; they stay so until the transaction ends."""
    rows = connection.execute(
        select(batches)
        .where(batches.c.id.in_(_newest(product, names)), batches.c.state == BatchState.INSPECTED)
        .order_by(batches.c.id)
        .with_for_update(key_share=True)  # alerts and verdicts that name the batch need not wait
    )
    return tuple(_batch(row) for row in rows)


def _newest(product: str, names: Collection[str]) -> Select[tuple[int]]:
    return (
        select(batches.c.id)
        .where(batches.c.product == product, batches.c.name.in_(names))
        .ext(distinct_on(batches.c.name))
        .order_by(batches.c.name, batches.c.version.desc())
    )


def _all_attempts(most: int) -> ColumnElement[int]:
    """Count attempts on, to where `most` of them are left; no run key is used twice."""
    # A failed batch has used its attempts up, unless it was cancelled.
    used = case((batches.c.state == BatchState.INSPECTED, most), else_=most - 1)
    return ((batches.c.attempts + used) // most) * most


def lock_uploaded(connection: Connection, key: str) -> None:
    """Let one transaction at a time check whether an uploaded picture exists, and write it."""
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"uploaded {key}", 0))))


def get(connection: Connection, batch: int, *, lock: bool = False) -> Batch:
    """Return a batch; raise `NotFound`.

    Args:
        connection: In a transaction.
        batch: Its id.
        lock: No other transaction changes it until this one ends; rows that name it can be added meanwhile.
    """
    query = select(batches).where(batches.c.id == batch)
    row = connection.execute(query.with_for_update(key_share=True) if lock else query).one_or_none()
    if row is None:
        raise NotFound(f"There is no batch {batch}.")
    return _batch(row)


def get_many(connection: Connection, ids: Collection[int]) -> Mapping[int, Batch]:
    """Return those of these batches that there are, by id."""
    rows = connection.execute(select(batches).where(batches.c.id.in_(list(ids))))
    return {row.id: _batch(row) for row in rows}


def all_keys(connection: Connection) -> frozenset[str]:
    """Return the key of every batch."""
    found = connection.execute(select(batches.c.product, batches.c.name).where(batches.c.version == 1))
    return frozenset(batch_key(row.product, row.name) for row in found)


def latest(connection: Connection, product: str, name: str) -> Batch:
    """Return the newest version of a batch; raise `NotFound`."""
    row = connection.execute(
        select(batches)
        .where(batches.c.product == product, batches.c.name == name)
        .order_by(batches.c.version.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        raise NotFound(f"There is no batch '{name}' of product '{product}': upload its pictures, then close it.")
    return _batch(row)


def latest_of(connection: Connection, names: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Batch]:
    """Return the newest version of each of these batches that there is, by product and name."""
    if not names:
        return {}
    rows = connection.execute(
        select(batches)
        .where(tuple_(batches.c.product, batches.c.name).in_(sorted(names)))
        .ext(distinct_on(batches.c.product, batches.c.name))
        .order_by(batches.c.product, batches.c.name, batches.c.version.desc())
    )
    return {(row.product, row.name): _batch(row) for row in rows}


def waiting(connection: Connection, limit: int) -> tuple[Batch, ...]:
    """Return up to `limit` batches that wait to be inspected or are being inspected, oldest first.

    Those that pause after an attempt that gave up are left out.
    """
    rows = connection.execute(
        select(batches)
        .where(
            batches.c.state.in_([BatchState.CLOSED, BatchState.TAKEN]),
            or_(batches.c.retry_at.is_(None), batches.c.retry_at <= func.now()),
        )
        .order_by(batches.c.id)
        .limit(limit)
    )
    return tuple(_batch(row) for row in rows)


def count_waiting(connection: Connection) -> Waiting:
    """Count the batches that wait to be inspected or are being inspected, and their images."""
    units, images, age = connection.execute(
        select(
            func.count(),
            func.coalesce(func.sum(batches.c.pictures), 0),
            func.coalesce(func.extract("epoch", func.now() - func.min(batches.c.closed_at)), 0),
        ).where(batches.c.state.in_([BatchState.CLOSED, BatchState.TAKEN]))
    ).one()
    return Waiting(units=units, images=int(images), oldest_s=float(age))


def page(
    connection: Connection,
    *,
    product: str | None = None,
    name: str | None = None,
    state: BatchState | None = None,
    before: int | None = None,
    limit: int = 100,
) -> tuple[Batch, ...]:
    """Return up to `limit` batches, newest first, whose id is below `before`."""
    query = select(batches).order_by(batches.c.id.desc()).limit(limit)
    if product is not None:
        query = query.where(batches.c.product == product)
    if name is not None:
        query = query.where(batches.c.name == name)
    if state is not None:
        query = query.where(batches.c.state == state)
    if before is not None:
        query = query.where(batches.c.id < before)
    return tuple(_batch(row) for row in connection.execute(query))


def latest_inspected(connection: Connection, product: str, *, after: str = "", limit: int = 1000) -> tuple[Batch, ...]:
    """Return up to `limit` newest versions of a product's batches that are inspected, by name beyond `after`."""
    newest = (
        select(batches)
        .where(batches.c.product == product, batches.c.name > after)
        .ext(distinct_on(batches.c.name))
        .order_by(batches.c.name, batches.c.version.desc())
        .subquery()
    )
    rows = connection.execute(
        select(newest).where(newest.c.inspection_id.is_not(None)).order_by(newest.c.name).limit(limit)
    )
    return tuple(_batch(row) for row in rows)


def failed_names(connection: Connection, product: str) -> tuple[str, ...]:
    """Return the names of a product's batches whose newest version failed, in order."""
    newest = (
        select(batches.c.name, batches.c.state)
        .where(batches.c.product == product)
        .ext(distinct_on(batches.c.name))
        .order_by(batches.c.name, batches.c.version.desc())
        .subquery()
    )
    query = select(newest.c.name).where(newest.c.state == BatchState.FAILED).order_by(newest.c.name)
    return tuple(connection.execute(query).scalars())


def pictures(connection: Connection, batch: int, *, after: int = -1, limit: int | None = None) -> tuple[Picture, ...]:
    """Return the pictures of a batch beyond the place `after`, in order."""
    rows = connection.execute(
        select(batch_pictures)
        .where(batch_pictures.c.batch_id == batch, batch_pictures.c.place > after)
        .order_by(batch_pictures.c.place)
        .limit(limit)
    )
    return tuple(
        Picture(place=row.place, name=row.name, key=row.key, digest=row.digest, bytes=row.bytes) for row in rows
    )


def _batch(row: Row[Any]) -> Batch:
    return Batch(**{**row._mapping, "state": BatchState(row.state)})
