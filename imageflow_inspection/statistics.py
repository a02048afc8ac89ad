"""Counts by day, week and month, by product, item and inspector. Only days that were touched are counted again."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from imageflow_clients.database.inspection import statistics as rows
from imageflow_clients.database.inspection import verifications
from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidInput
from imageflow_domain.inspection import Disagreement, Figures, Period

_TOUCHES = 10_000
_DISAGREEMENTS = 1_000
_MOST_DAYS = 3700
_DEFAULT_DAYS = 30


class By(StrEnum):
    """What counts are grouped by."""

    PRODUCT = "product"
    ITEM = "item"
    INSPECTOR = "inspector"


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Counts of a time."""

    begins: date
    ends: date
    """The day after the last one."""
    figures: tuple[Figures, ...]
    uncounted: int
    """Days of products that wait to be counted again."""


def count_between(
    stores: Stores,
    period: Period,
    *,
    begins: date | None,
    ends: date,
    product: str | None = None,
    item: str | None = None,
    inspector: str | None = None,
    by: Collection[By] = (By.PRODUCT,),
) -> Counted:
    """Return counts by day, week or month.

    Args:
        stores: Where they are.
        period: The length of time that one row counts.
        begins: First day (UTC); 30 days before `ends`, if not given.
        ends: The day after the last one, at most 3,700 days later.
        product: Only this one, by its code.
        item: Only this one, by its code.
        inspector: Only this person.
        by: One row for each of these.

    Raises:
        InvalidInput: For a time that is empty or too long.
    """
    first = begins or max(ends, date(1, 3, 1)) - timedelta(days=_DEFAULT_DAYS)
    if not first < ends <= first + timedelta(days=_MOST_DAYS):
        raise InvalidInput(f"'ends' lies behind 'begins', and at most {_MOST_DAYS:,} days: ask for another time.")
    with stores.database.begin() as connection:
        found = rows.figures(
            connection,
            period,
            first,
            ends,
            product=product,
            item=item,
            inspector=inspector and inspector.replace("\0", "\ufffd"),
            by_product=By.PRODUCT in by,
            by_item=By.ITEM in by,
            by_inspector=By.INSPECTOR in by,
        )
        uncounted = rows.touched_days(connection)
    return Counted(begins=first, ends=ends, figures=found, uncounted=uncounted)


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
