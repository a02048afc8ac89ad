"""Counts by day, week and month, by product, item and inspector. Only days that were touched are counted again."""

from datetime import date

from imageflow_clients.database import statistics as rows
from imageflow_clients.stores import Stores

_TOUCHES = 10_000


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
