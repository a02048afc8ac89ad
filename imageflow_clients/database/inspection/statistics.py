"""Rows of daily counts, and of the days that must be counted again.

Touches are only inserted and deleted: whoever counts sees the results of every touch that it takes away.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Date, Row, cast, delete, func, insert, literal, select, text

from imageflow_clients.database.inspection.schema import statistic_touches, statistics
from imageflow_domain.inspection import Figures, Period

_LOCK = 0x73746174  # "stat": any number that no other code locks


def touch(connection: Connection, moment: datetime, product: str) -> None:
    """Note that a product's counts of the day (UTC) of `moment` change, in the transaction that changes them."""
    connection.execute(insert(statistic_touches).values(day=moment.astimezone(UTC).date(), product=product))


def touch_batch(connection: Connection, product: str, name: str) -> None:
    """Note that a batch counts otherwise now: on the days of all its versions, of which only the newest counts, and on
    those of people's verdicts on them, which agree or disagree with what counts.
    """
    connection.execute(
        text("""
            INSERT INTO statistic_touches (day, product)
            SELECT (closed_at AT TIME ZONE 'UTC')::date, product FROM batches
            WHERE product = :product AND name = :name
            UNION
            SELECT (v.created_at AT TIME ZONE 'UTC')::date, b.product
            FROM batches AS b
            JOIN inspections AS i ON i.batch_id = b.id
            JOIN verifications AS v ON v.inspection_id = i.id
            WHERE b.product = :product AND b.name = :name
        """),
        {"product": product, "name": name},
    )


def take_touched(connection: Connection, limit: int) -> tuple[tuple[date, str], ...]:
    """Take away up to `limit` touches, oldest first, and return the days and products that they name."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})  # one counts at a time
    oldest = select(statistic_touches.c.id).order_by(statistic_touches.c.id).limit(limit)
    rows = connection.execute(
        delete(statistic_touches)
        .where(statistic_touches.c.id.in_(oldest))
        .returning(statistic_touches.c.day, statistic_touches.c.product)
    )
    return tuple(sorted({(row.day, row.product) for row in rows}))


def touched_days(connection: Connection) -> int:
    """Return how many days of products wait to be counted again."""
    touched = select(statistic_touches.c.day, statistic_touches.c.product).distinct().subquery()
    return connection.execute(select(func.count()).select_from(touched)).scalar_one()


def waiting_days(connection: Connection, limit: int) -> tuple[tuple[date, int], ...]:
    """Return up to `limit` days that wait to be counted again, each with its last touch, longest waiting first."""
    rows = connection.execute(
        select(statistic_touches.c.day, func.max(statistic_touches.c.id).label("last"))
        .group_by(statistic_touches.c.day)
        .order_by(func.min(statistic_touches.c.id))
        .limit(limit)
    )
    return tuple((row.day, row.last) for row in rows)


def counted_days(connection: Connection) -> frozenset[date]:
    """Return the days that have counts."""
    return frozenset(connection.execute(select(statistics.c.day).distinct()).scalars())


def take_day(connection: Connection, day: date) -> tuple[str, ...]:
    """Take away a day's touches, and return every product that they name or that was counted on it."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    touched = connection.execute(
        delete(statistic_touches).where(statistic_touches.c.day == day).returning(statistic_touches.c.product)
    ).scalars()
    counted = connection.execute(select(statistics.c.product).where(statistics.c.day == day).distinct()).scalars()
    return tuple(sorted({*touched, *counted}))


def count_again(connection: Connection, day: date, product: str) -> None:
    """Count a product's day anew."""
    connection.execute(delete(statistics).where(statistics.c.day == day, statistics.c.product == product))
    begins = datetime(day.year, day.month, day.day, tzinfo=UTC)
    bounds = {"day": day, "product": product, "begins": begins, "ends": begins + timedelta(days=1)}
    for query in (_PIPELINES, _PEOPLE):
        connection.execute(query, bounds)


def figures(
    connection: Connection,
    period: Period,
    begins: date,
    ends: date,
    *,
    product: str | None = None,
    item: str | None = None,
    inspector: str | None = None,
    by_product: bool = True,
    by_item: bool = False,
    by_inspector: bool = False,
) -> tuple[Figures, ...]:
    """Return counts by period, from the day `begins` up to but without the day `ends`, in order.

    Pictures as a whole are counted unless items are asked for, the pipelines unless inspectors are.

    Args:
        connection: In a transaction.
        period: Day, week or month.
        begins: First day.
        ends: The day after the last one.
        product: Only this one.
        item: Only this one.
        inspector: Only this one.
        by_product: One row a product; else all together.
        by_item: One row an item.
        by_inspector: One row an inspector.
    """
    start = cast(func.date_trunc(period.value, statistics.c.day), Date)
    nothing = literal("")
    keys = {
        "product": statistics.c.product if by_product else nothing,
        "item": statistics.c.item if by_item or item is not None else nothing,
        "inspector": statistics.c.inspector if by_inspector or inspector is not None else nothing,
    }
    counts = ("judged", "passed", "failed", "undecided", "corrected", "seconds")
    query = select(
        start.label("begins"),
        *(key.label(name) for name, key in keys.items()),
        *(func.sum(statistics.c[name]).label(name) for name in counts),
    ).where(statistics.c.day >= begins, statistics.c.day < ends)
    if product is not None:
        query = query.where(statistics.c.product == product)
    if item is not None:
        query = query.where(statistics.c.item == item)
    else:
        query = query.where(statistics.c.item != "" if by_item else statistics.c.item == "")
    if inspector is not None:
        query = query.where(statistics.c.inspector == inspector)
    else:
        query = query.where(statistics.c.inspector != "" if by_inspector else statistics.c.inspector == "")
    order = (text("begins"), text("product"), text("item"), text("inspector"))
    return tuple(_figures(row) for row in connection.execute(query.group_by(*order).order_by(*order)))


def _figures(row: Row[Any]) -> Figures:
    return Figures(**row._mapping)


_COUNTS = """
    count(*), count(*) FILTER (WHERE verdict = 'pass'), count(*) FILTER (WHERE verdict = 'fail'),
    count(*) FILTER (WHERE verdict = 'undecided')
"""
_COLUMNS = "(day, product, item, inspector, judged, passed, failed, undecided, corrected, seconds)"

_PIPELINES = text(f"""
    INSERT INTO statistics {_COLUMNS}
    WITH counted AS (SELECT id, inspection_id FROM batches WHERE product = :product AND inspection_id IS NOT NULL
                     AND closed_at >= :begins AND closed_at < :ends),
    -- only the newest version of a batch counts: the others were replaced by it
    newest AS (SELECT inspection_id FROM counted JOIN batches AS b USING (id, inspection_id)
               WHERE NOT EXISTS (SELECT FROM batches AS later WHERE later.product = b.product AND later.name = b.name
                                 AND later.version > b.version AND later.inspection_id IS NOT NULL)),
    judged AS (
        SELECT '' AS item, verdict, seconds FROM newest JOIN picture_results USING (inspection_id)
        UNION ALL
        SELECT item, verdict, seconds FROM newest JOIN item_results USING (inspection_id)
    )
    SELECT cast(:day AS date), cast(:product AS text), item, '', {_COUNTS}, 0, sum(seconds) FROM judged GROUP BY item
""")  # noqa: S608 - the parts are constants

_PEOPLE = text(f"""
    INSERT INTO statistics {_COLUMNS}
    -- whatever day the later verdict is of, and whoever gave it
    WITH latest AS (
        SELECT v.*
        FROM verifications AS v
        JOIN inspections AS i ON i.id = v.inspection_id
        JOIN batches AS b ON b.id = i.batch_id
        WHERE b.product = :product AND v.created_at >= :begins AND v.created_at < :ends
          AND NOT EXISTS (SELECT FROM verifications AS later WHERE later.inspection_id = v.inspection_id
                          AND later.place = v.place AND later.item = v.item AND later.id > v.id)
    ), judged AS (
        SELECT latest.item, inspector, latest.verdict, latest.seconds,
               latest.verdict <> coalesce(items.verdict, pictures.verdict) AS corrected
        FROM latest
        JOIN picture_results AS pictures USING (inspection_id, place)
        LEFT JOIN item_results AS items USING (inspection_id, place, item)
    )
    SELECT cast(:day AS date), cast(:product AS text), item, inspector, {_COUNTS},
        count(*) FILTER (WHERE corrected), sum(seconds)
    FROM judged GROUP BY item, inspector
""")  # noqa: S608
