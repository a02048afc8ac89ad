"""What an engine does beside executing: take what waits, keep its leases, stop what is cancelled, mend what is lost."""

import uuid
from collections.abc import Collection
from datetime import timedelta

from imageflow_clients.database.executions import queue
from imageflow_clients.stores import Stores
from imageflow_domain.executions import ExecutionRecord
from imageflow_executions.execute import MOST_ATTEMPTS

LEASE = timedelta(seconds=15)
"""An engine that does not renew its leases for so long is taken for lost."""


def take_next(stores: Stores, engine: str) -> ExecutionRecord | None:
    """Take the execution that is due first; `None` where none waits."""
    with stores.database.begin() as connection:
        return queue.claim(connection, engine, lease=LEASE)


def renew_leases(stores: Stores, engine: str) -> frozenset[uuid.UUID]:
    """Prolong an engine's leases; return the executions that it still holds."""
    with stores.database.begin() as connection:
        return queue.renew(connection, engine, lease=LEASE)


def find_cancelled(stores: Stores, held: Collection[uuid.UUID]) -> frozenset[uuid.UUID]:
    """Return those executions of an engine that are to be stopped."""
    with stores.database.begin() as connection:
        return queue.cancelled_among(connection, held)


def mend_lost(stores: Stores) -> None:
    """Let executions of lost engines wait again; those that were lost three times fail."""
    with stores.database.begin() as connection:
        queue.end_lost_leases(connection, most_attempts=MOST_ATTEMPTS)


def give_back(stores: Stores, engine: str, execution: uuid.UUID) -> None:
    """Let an execution wait again that a stopping engine could not end."""
    with stores.database.begin() as connection:
        queue.give_back(connection, engine, execution, reason="Its engine was stopped.")
