"""Rows of inspections and their results. Another judgement is another inspection, and a finished one is only
read, except for pictures that it could not judge: these may be judged again on request.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, exists, func, insert, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from imageflow_clients.database.inspection.schema import (
    batch_pictures,
    batches,
    inspections,
    item_results,
    picture_results,
    verifications,
)
from imageflow_domain.errors import NotFound
from imageflow_domain.inspection import Inspection, JudgedBy, Judgement, Picture, PictureResult, Verdict


def begin(
    connection: Connection,
    batch: int,
    *,
    identity: str,
    master_version: int,
    code_version: int,
    judged_by: Sequence[JudgedBy],
) -> Inspection:
    """Return the inspection of a batch that has this identity, inserted if it is the first."""
    connection.execute(
        upsert(inspections)
        .values(
            batch_id=batch,
            identity=identity,
            master_version=master_version,
            code_version=code_version,
            judged_by=[each.to_data() for each in judged_by],
        )
        .on_conflict_do_nothing()
    )
    row = connection.execute(
        select(inspections).where(inspections.c.batch_id == batch, inspections.c.identity == identity)
    ).one()
    return _inspection(row)


def note_providers(connection: Connection, inspection: int, providers: Collection[str]) -> None:
    """Add the providers that compute an inspection's models from now on to the former ones."""
    row = connection.execute(
        select(inspections.c.providers).where(inspections.c.id == inspection).with_for_update()
    ).one()
    known = sorted({*row.providers, *providers})
    connection.execute(update(inspections).where(inspections.c.id == inspection).values(providers=known))


def get(connection: Connection, inspection: int) -> Inspection:
    """Return an inspection; raise `NotFound`."""
    row = connection.execute(select(inspections).where(inspections.c.id == inspection)).one_or_none()
    if row is None:
        raise NotFound(f"There is no inspection {inspection}.")
    return _inspection(row)


def get_many(connection: Connection, ids: Sequence[int]) -> Mapping[int, Inspection]:
    """Return inspections by id."""
    rows = connection.execute(select(inspections).where(inspections.c.id.in_(ids)))
    return {row.id: _inspection(row) for row in rows}


def of_batch(connection: Connection, batch: int) -> tuple[Inspection, ...]:
    """Return every inspection of a batch, oldest first."""
    rows = connection.execute(select(inspections).where(inspections.c.batch_id == batch).order_by(inspections.c.id))
    return tuple(_inspection(row) for row in rows)


def batches_judged_by(connection: Connection, ids: Sequence[int], identity: str) -> frozenset[int]:
    """Return those of these batches that have a finished inspection of this identity, whichever counts."""
    return frozenset(
        connection.execute(
            select(inspections.c.batch_id).where(
                inspections.c.batch_id.in_(ids),
                inspections.c.identity == identity,
                inspections.c.done_at.is_not(None),
            )
        ).scalars()
    )


def add_result(
    connection: Connection,
    inspection: int,
    place: int,
    *,
    verdict: Verdict,
    confidence: float,
    seconds: float,
    drawn_key: str | None,
    items: Sequence[Judgement],
) -> None:
    """Insert the outcome of a picture, all items at once; a result that is there already stays."""
    added = connection.execute(
        upsert(picture_results)
        .values(
            inspection_id=inspection,
            place=place,
            verdict=verdict,
            confidence=confidence,
            seconds=seconds,
            drawn_key=drawn_key,
        )
        .on_conflict_do_nothing()
    ).rowcount
    if added and items:
        connection.execute(
            insert(item_results),
            [
                {
                    "inspection_id": inspection,
                    "place": place,
                    "item": item.item,
                    "verdict": item.verdict,
                    "confidence": item.confidence,
                    "seconds": item.seconds,
                    "details": item.details,
                }
                for item in items
            ],
        )


def judged_places(connection: Connection, inspection: int) -> frozenset[int]:
    """Return the places of the pictures that have a result."""
    return frozenset(
        connection.execute(
            select(picture_results.c.place).where(picture_results.c.inspection_id == inspection)
        ).scalars()
    )


def judged_items(connection: Connection, inspection: int) -> Mapping[str, int]:
    """Return how many pictures have a result, by item."""
    rows = connection.execute(
        select(item_results.c.item, func.count().label("pictures"))
        .where(item_results.c.inspection_id == inspection)
        .group_by(item_results.c.item)
    )
    return {row.item: row.pictures for row in rows}


def finish(connection: Connection, inspection: int) -> Inspection:
    """Count an inspection's results and note that it is done; one that was done stays as it is."""
    counted = connection.execute(
        select(
            func.count().label("pictures"),
            func.count().filter(picture_results.c.verdict == Verdict.PASS).label("passed"),
            func.count().filter(picture_results.c.verdict == Verdict.FAIL).label("failed"),
            func.count().filter(picture_results.c.verdict == Verdict.UNDECIDED).label("undecided"),
            func.coalesce(func.sum(picture_results.c.seconds), 0).label("seconds"),
        ).where(picture_results.c.inspection_id == inspection)
    ).one()
    connection.execute(
        update(inspections)
        .where(inspections.c.id == inspection, inspections.c.done_at.is_(None))
        .values(**counted._mapping, done_at=func.now())
    )
    return get(connection, inspection)


def forget_undecided(connection: Connection, ids: Collection[int]) -> frozenset[int]:
    """Remove results of pictures that inspections could not judge; return the inspections that are unfinished by that.

    Those that people have verified stay.
    """
    undecided = picture_results.c.inspection_id.in_(ids), picture_results.c.verdict == Verdict.UNDECIDED
    # Waits for verifications in progress: the next statement sees what they committed.
    connection.execute(select(picture_results.c.place).where(*undecided).with_for_update())
    said = verifications.c
    verified = exists().where(
        said.inspection_id == picture_results.c.inspection_id, said.place == picture_results.c.place
    )
    removed = connection.execute(
        delete(picture_results).where(*undecided, ~verified).returning(picture_results.c.inspection_id)
    )
    unfinished = frozenset(removed.scalars())
    connection.execute(update(inspections).where(inspections.c.id.in_(unfinished)).values(done_at=None))
    return unfinished


def hold_result(connection: Connection, inspection: int, place: int) -> bool:
    """Return whether a picture has a result; it is not removed until the transaction ends."""
    query = select(picture_results.c.place).where(
        picture_results.c.inspection_id == inspection, picture_results.c.place == place
    )
    return connection.execute(query.with_for_update(read=True, key_share=True)).one_or_none() is not None


def results(
    connection: Connection,
    inspection: int,
    *,
    verdict: Verdict | None = None,
    after: int = -1,
    limit: int = 100,
) -> tuple[PictureResult, ...]:
    """Return up to `limit` results of an inspection beyond the place `after`, in order, with all their items."""
    query = (
        _RESULTS.where(picture_results.c.inspection_id == inspection, picture_results.c.place > after)
        .order_by(picture_results.c.place)
        .limit(limit)
    )
    if verdict is not None:
        query = query.where(picture_results.c.verdict == verdict)
    return _with_items(connection, query)


def find_results(
    connection: Connection,
    *,
    inspection: int | None = None,
    batch: int | None = None,
    product: str | None = None,
    begins: date | None = None,
    ends: date | None = None,
    verdict: Verdict | None = None,
    former: bool = False,
    after: tuple[int, int] | None = None,
    limit: int = 100,
) -> tuple[PictureResult, ...]:
    """Return up to `limit` results, of the newest inspection first, pictures in order, with all their items.

    Args:
        connection: In a transaction.
        inspection: Only of this one; without, only of those that count.
        batch: Only of this one; without, only of versions that no later, inspected one replaced.
        product: Only of this one.
        begins: Only those judged on this day (UTC) or later.
        ends: Only those judged before this day.
        verdict: Only those with this one.
        former: Also of finished inspections that count no longer, and of versions that were replaced.
        after: Only those behind this inspection and place.
        limit: At most so many.
    """
    if inspection is not None or former:
        query = _RESULTS.join(batches, batches.c.id == inspections.c.batch_id)
    else:
        # That it is an inspection of this batch needs no saying: said twice, the planner expects no rows and sorts all.
        query = _RESULTS.join(batches, batches.c.inspection_id == inspections.c.id)
    if inspection is not None:
        query = query.where(inspections.c.id == inspection)
    elif former:
        counts = batches.c.inspection_id == inspections.c.id  # one that goes on with a few pictures is not finished
        query = query.where(inspections.c.done_at.is_not(None) | counts)
    elif batch is None:
        query = query.where(~_REPLACED)
    if batch is not None:
        query = query.where(batches.c.id == batch)
    if product is not None:
        query = query.where(batches.c.product == product)
    if begins is not None:
        query = query.where(picture_results.c.judged_at >= datetime.combine(begins, time(), UTC))
    if ends is not None:
        query = query.where(picture_results.c.judged_at < datetime.combine(ends, time(), UTC))
    if verdict is not None:
        query = query.where(picture_results.c.verdict == verdict)
    if after is not None:
        last, place = after
        # The first bound says nothing new, but an index can begin there.
        query = query.where(
            picture_results.c.inspection_id <= last,
            (picture_results.c.inspection_id < last)
            | ((picture_results.c.inspection_id == last) & (picture_results.c.place > place)),
        )
    return _with_items(
        connection, query.order_by(picture_results.c.inspection_id.desc(), picture_results.c.place).limit(limit)
    )


def judged_counts(connection: Connection, ids: Sequence[int]) -> Mapping[int, int]:
    """Return how many pictures have a result, by inspection; those without any are left out."""
    rows = connection.execute(
        select(picture_results.c.inspection_id, func.count().label("judged"))
        .where(picture_results.c.inspection_id.in_(ids))
        .group_by(picture_results.c.inspection_id)
    )
    return {row.inspection_id: row.judged for row in rows}


_LATER = batches.alias("later")
_REPLACED = exists().where(
    _LATER.c.product == batches.c.product,
    _LATER.c.name == batches.c.name,
    _LATER.c.version > batches.c.version,
    _LATER.c.inspection_id.is_not(None),
)
"""Of a batch: a later version of it is inspected."""

_RESULTS = (
    select(picture_results, batch_pictures)
    .join(inspections, inspections.c.id == picture_results.c.inspection_id)
    .join(
        batch_pictures,
        (batch_pictures.c.batch_id == inspections.c.batch_id) & (batch_pictures.c.place == picture_results.c.place),
    )
)


def _with_items(connection: Connection, query: Select[Any]) -> tuple[PictureResult, ...]:
    found = connection.execute(query).all()
    items: dict[tuple[int, int], list[Judgement]] = {(row.inspection_id, row.place): [] for row in found}
    for row in connection.execute(
        select(item_results)
        .where(tuple_(item_results.c.inspection_id, item_results.c.place).in_(list(items)))
        .order_by(item_results.c.inspection_id, item_results.c.place, item_results.c.item)
    ):
        items[row.inspection_id, row.place].append(
            Judgement(
                item=row.item,
                verdict=Verdict(row.verdict),
                confidence=row.confidence,
                seconds=row.seconds,
                details=row.details,
            )
        )
    return tuple(_result(row, tuple(items[row.inspection_id, row.place])) for row in found)


def _result(row: Row[Any], items: tuple[Judgement, ...]) -> PictureResult:
    return PictureResult(
        inspection_id=row.inspection_id,
        picture=Picture(place=row.place, name=row.name, key=row.key, digest=row.digest, bytes=row.bytes),
        verdict=Verdict(row.verdict),
        confidence=row.confidence,
        seconds=row.seconds,
        drawn_key=row.drawn_key,
        judged_at=row.judged_at,
        items=items,
    )


def _inspection(row: Row[Any]) -> Inspection:
    judged_by = tuple(JudgedBy(**each) for each in row.judged_by)
    return Inspection(**{**row._mapping, "judged_by": judged_by, "providers": tuple(row.providers)})
