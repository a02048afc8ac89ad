"""What an engine does beside executing: take from the queue, renew leases, find cancellations, requeue what is lost."""

import uuid
from collections.abc import Collection
from datetime import timedelta

from imageflow_clients.database.executions import queue
from imageflow_clients.stores import Stores
from imageflow_domain.executions import ExecutionRecord
from imageflow_executions.execute import MOST_FAILURES, PAUSE

LEASE = timedelta(seconds=15)
"""An engine that does not renew its leases for so long counts as lost."""


def take_next(stores: Stores, engine: str) -> ExecutionRecord | None:
    """Take the execution that is due first; `None` where none waits."""
    with stores.database.begin() as connection:
        return queue.claim(connection, engine, lease=LEASE)


def take_handed_over(stores: Stores, run: str, execution: uuid.UUID) -> ExecutionRecord | None:
    """Take an execution for the run of Dagster that is to execute it; `None` where it does not wait any more."""
    with stores.database.begin() as connection:
        return queue.claim_one(connection, run, execution, lease=LEASE)


def renew_leases(stores: Stores, engine: str, held: Collection[uuid.UUID]) -> frozenset[uuid.UUID]:
    """Prolong an engine's leases of the executions that it works on; return those that it still holds."""
    with stores.database.begin() as connection:
        return queue.renew(connection, engine, held, lease=LEASE)


def find_cancelled(stores: Stores, held: Collection[uuid.UUID]) -> frozenset[uuid.UUID]:
    """Return those executions of an engine that are to be stopped."""
    with stores.database.begin() as connection:
        return queue.cancelled_among(connection, held)


def requeue_expired(stores: Stores) -> None:
    """Return the executions of lost engines to the queue; those that failed so three times fail for good."""
    with stores.database.begin() as connection:
        queue.end_lost_leases(connection, most_failures=MOST_FAILURES, pause=PAUSE)


def give_back(stores: Stores, engine: str, execution: uuid.UUID) -> None:
    """Return to the queue an execution that a stopping engine could not end."""
    with stores.database.begin() as connection:
        queue.give_back(connection, engine, execution, reason="Its engine was stopped.")
