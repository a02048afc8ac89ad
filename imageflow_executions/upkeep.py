"""Keep the history in order: months that are no longer kept go, and objects that no execution refers to."""

import uuid
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from imageflow_clients.database.executions import months, rows
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import InvalidInput
from imageflow_domain.executions import created_month, first_id, parse_id

GRACE = timedelta(hours=24)
"""Age of an execution from which its unused objects go: far longer than it takes to accept one, or to end it."""

_LATE = timedelta(days=7)
"""After its end, a month is still swept for so long: time enough for each of its executions to end."""

_BATCH = 1000


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """What became of the months that are older than the retention."""

    dropped: tuple[str, ...]
    """Such as `2026-11`, the oldest first."""
    unfinished: tuple[str, ...]
    """They are kept, as executions of theirs have not ended."""
    busy: tuple[str, ...] = ()
    """Their objects are deleted; their rows were being read, and go the next time."""


def drop_months(stores: Stores, *, keep: int | None, dry_run: bool = False) -> Dropped:
    """Delete whole months of the history: the objects first, then the rows.

    May be killed at any moment: the next call goes on.

    Args:
        stores: Where rows and objects are.
        keep: Months before the present one that stay; `None` keeps all.
        dry_run: Only say which.
    """
    if keep is None:
        return Dropped(dropped=(), unfinished=())
    with stores.database.begin() as connection:
        old = months.older_than(connection, keep)
    dropped: list[str] = []
    unfinished: list[str] = []
    busy: list[str] = []
    for month in old:
        with stores.database.begin() as connection:
            is_unfinished = months.has_unfinished(connection, month)
        if is_unfinished:
            unfinished.append(month)
            continue
        is_dropped = True
        if not dry_run:
            stores.objects.delete_prefix(f"{keys.EXECUTIONS}/{month}")
            with stores.database.begin() as connection:
                is_dropped = months.drop(connection, month)
        (dropped if is_dropped else busy).append(month)
    return Dropped(dropped=tuple(dropped), unfinished=tuple(unfinished), busy=tuple(busy))


def sweep_objects(stores: Stores, *, grace: timedelta = GRACE, dry_run: bool = False) -> int:
    """Delete objects that no execution refers to, and return how many there were.

    Such objects are inputs whose execution was never accepted, and outputs of an attempt that a killed or suspended
    engine made and another one replaced. May run beside anything else, and be killed at any moment.

    Args:
        stores: Where rows and objects are.
        grace: Executions that are younger keep all their objects; so do those that have not ended.
        dry_run: Only count.
    """
    oldest = datetime.now(UTC) - grace
    names = [name for name in stores.objects.list_folders(keys.EXECUTIONS) if _may_have_unused(name, oldest)]
    below = first_id(oldest)
    count = 0
    for name in names:
        for batch in _batches(stored.key for stored in stores.objects.list(f"{keys.EXECUTIONS}/{name}")):
            unused = _unused(stores, batch, below)
            count += len(unused) if dry_run else stores.objects.delete_many(unused)
    return count


def _may_have_unused(name: str, oldest: datetime) -> bool:
    """Return whether a folder is a month that began before `oldest`, and ended lately or not yet."""
    return created_month(first_id(oldest - _LATE)) <= name <= created_month(first_id(oldest))


def _unused(stores: Stores, batch: tuple[str, ...], below: uuid.UUID) -> list[str]:
    owners = {key: owner for key in batch if (owner := _owner(key)) is not None and owner < below}
    with stores.database.begin() as connection:
        used = rows.objects_of(connection, set(owners.values()))
    return [key for key, owner in owners.items() if not _is_used(key, used.get(owner, frozenset()))]


def _is_used(key: str, used: Collection[str] | None) -> bool:
    return used is None or key in used


def _owner(key: str) -> uuid.UUID | None:
    """Return the execution whose folder an object lies in; `None` for an object that no execution made."""
    try:
        return parse_id(key.split("/")[2])
    except (IndexError, InvalidInput):
        return None


def _batches(found: Iterable[str]) -> Iterator[tuple[str, ...]]:
    left = iter(found)
    while batch := tuple(islice(left, _BATCH)):
        yield batch
