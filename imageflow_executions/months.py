"""Prepare the months to come: the history's partitions are made before executions need them."""

from imageflow_clients.database.executions.months import make_months
from imageflow_clients.stores import Stores

_AHEAD = 2
"""A process that runs for two months without making any still finds a place."""


def prepare_months(stores: Stores) -> None:
    """Make the partitions of this month and the next ones; costs one query where they are there."""
    with stores.database.begin() as connection:
        make_months(connection, ahead=_AHEAD)
