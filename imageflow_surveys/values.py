"""Delete values between steps of runs, once these runs are not continued any more."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from imageflow_clients.stores import Stores
from imageflow_domain import keys

KEPT = timedelta(days=30)
"""How long a failed run can continue where it stopped."""


def forget_values_of(stores: Stores, runs: Iterable[str]) -> int:
    """Delete the values of runs that are not executed again; return how many there were."""
    return sum(stores.objects.delete_prefix(f"{keys.step_values_of(run)}/") for run in runs)


def forget_old_values(stores: Stores, older_than: timedelta = KEPT) -> int:
    """Delete values of at least this age; return how many."""
    before = datetime.now(UTC) - older_than
    return stores.objects.delete_many(
        stored.key for stored in stores.objects.list(f"{keys.STEP_VALUES}/") if stored.last_modified < before
    )
