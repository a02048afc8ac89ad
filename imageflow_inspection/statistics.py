"""Counts by day, week and month, by product, item and inspector. Only days that were touched are counted again."""

from collections.abc import Mapping
from datetime import date, timedelta

from imageflow_clients.database.inspection import statistics as rows
from imageflow_clients.database.inspection import verifications
from imageflow_clients.stores import Stores
from imageflow_domain.inspection import Disagreement, Figures, Period

_TOUCHES = 10_000
_DISAGREEMENTS = 1_000


def count_day(stores: Stores, day: date) -> tuple[str, ...]:
    """Count a day (UTC) anew, and return the products that have counts of it or had. Killed, it begins again."""
    with stores.database.begin() as connection:
        products = rows.take_day(connection, day)
        for product in products:
            rows.count_again(connection, day, product)
    return products


def figures_of(stores: Stores, day: date) -> Mapping[str, tuple[Figures, ...]]:
    """Return a day's counts: of pictures, of items, and of inspectors."""
    span = Period.DAY, day, day + timedelta(days=1)
    with stores.database.begin() as connection:
        return {
            "by_product": rows.figures(connection, *span),
            "by_item": rows.figures(connection, *span, by_item=True),
            "by_inspector": rows.figures(connection, *span, by_inspector=True),
        }


def disagreements_of(stores: Stores, day: date) -> tuple[Disagreement, ...]:
    """Return up to 1,000 verdicts of a day (UTC) that are not the pipelines', newest first."""
    with stores.database.begin() as connection:
        return verifications.disagreements(connection, day=day, limit=_DISAGREEMENTS)


def count_touched_days(stores: Stores) -> tuple[tuple[date, str], ...]:
    """Count every day and product anew in which anything changed, and return them. Killed, it begins again."""
    counted: set[tuple[date, str]] = set()
    while True:
        with stores.database.begin() as connection:
            touched = rows.take_touched(connection, _TOUCHES)
            for day, product in touched:
                rows.count_again(connection, day, product)
        if not touched:
            return tuple(sorted(counted))
        counted.update(touched)
