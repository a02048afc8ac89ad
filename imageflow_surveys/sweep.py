"""Delete objects that are no longer used: tiles that no survey shows, and what killed processes left behind.

A tile's object goes only when two sweeps, a day apart, have found no tile that refers to it, and a last look under a
lock on its digest finds none either. Nothing else of a survey is touched.
"""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from imageflow_clients.database.core import event_positions, event_retention, heartbeats
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.database.maps import tile_objects
from imageflow_clients.stores import Stores
from imageflow_clients.unfinished import changed_before
from imageflow_domain import keys
from imageflow_domain.ids import is_survey_id
from imageflow_surveys.values import forget_old_values

GRACE = timedelta(hours=24)
"""How long a tile's object must have been unused."""

UNFINISHED = timedelta(hours=1)
"""How old an unfinished file must be: far longer than any writing takes."""

_ABANDONED = timedelta(hours=24)
"""For how long nothing has changed in an abandoned working folder of a game."""

_FORGOTTEN = timedelta(days=30)
"""Age from which a worker's heartbeat is deleted: no survey runs that long."""

_BATCH = 500


@dataclass(frozen=True, kw_only=True)
class Swept:
    """The result of a sweep, or of a dry run."""

    noted: int
    """Objects that this sweep was the first to find unused."""
    deleted: int
    """Tiles whose objects were deleted."""
    surveys: tuple[str, ...]
    """Deleted surveys of which objects were left."""
    unfinished: int
    """Files that a killed process had not finished writing."""
    scratch: int
    """Working folders of games whose process was killed."""
    values: int
    """Old values between steps of runs."""
    unread_events: int
    """Events of the log that its slowest reader has still to read; they are kept."""


def sweep(
    stores: Stores, *, grace: timedelta = GRACE, unfinished: timedelta = UNFINISHED, dry_run: bool = False
) -> Swept:
    """Delete unused objects; may run beside anything else, and be killed at any moment.

    Args:
        grace: Between the sweep that first finds an object unused and the one that deletes it.
        unfinished: How old a half-written file must be; less than the default only where no process writes.
        dry_run: Only count.
    """
    if dry_run:
        with stores.database.begin() as connection:
            noted = tile_objects.count_unreferenced(connection)
            deleted = tile_objects.count_unreferenced_for(connection, grace)
            slowest = event_positions.slowest(connection)
        return Swept(
            noted=noted,
            deleted=deleted,
            surveys=tuple(_leftover_surveys(stores)),
            unfinished=0,
            scratch=0,
            values=0,
            unread_events=0 if slowest is None else slowest.behind,
        )
    deleted = sum(_delete(stores, digest) for digest in _unreferenced(stores, grace))
    with stores.database.begin() as connection:
        noted = tile_objects.mark_unreferenced(connection)
        heartbeats.forget(connection, _FORGOTTEN)
    unread_events = event_retention.forget_read(stores.database)
    leftovers = tuple(_leftover_surveys(stores))
    for survey in leftovers:
        stores.objects.delete_prefix(f"{keys.survey_prefix(survey)}/")
    files = stores.objects.delete_unfinished(older_than=unfinished)
    folders = tuple(_abandoned(stores.scratch))
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)  # of the next sweep, what cannot be deleted now
    return Swept(
        noted=noted,
        deleted=deleted,
        surveys=leftovers,
        unfinished=files,
        scratch=len(folders),
        values=forget_old_values(stores),
        unread_events=unread_events,
    )


def _unreferenced(stores: Stores, grace: timedelta) -> Iterator[str]:
    """Yield every object that has been unused for `grace`, also those whose deletion was interrupted."""
    after = ""
    while True:
        with stores.database.begin() as connection:
            batch = tile_objects.unreferenced_for(connection, grace, after=after, limit=_BATCH)
        if not batch:
            return
        yield from batch
        after = batch[-1]


def _delete(stores: Stores, digest: str) -> bool:
    """Delete one tile's objects unless they are in use again; return whether they were deleted."""
    with stores.database.begin() as connection:
        if not tile_objects.lock_unneeded(connection, digest):
            return False
        # noted first: a new reference after a crash in between looks for the object
        tile_objects.note_missing(connection, digest)
    with stores.database.begin() as connection:
        if not tile_objects.lock_unneeded(connection, digest):
            return False
        stores.objects.delete(keys.tile(digest))
        stores.objects.delete(keys.lossless(digest))
        tile_objects.forget(connection, digest)
    return True


def _leftover_surveys(stores: Stores) -> Iterator[str]:
    """Yield names of surveys that were deleted and have objects: their names are never used again.

    Objects of another database, or of no known one, stay.
    """
    for name in stores.objects.list_folders(keys.SURVEYS):
        if not is_survey_id(name):
            continue
        with stores.database.begin() as connection:
            if rows.was_deleted(connection, name):
                yield name


def _abandoned(scratch: Path) -> Iterator[Path]:
    """Yield the folders in which nothing has been written for long: a driven game's logs grow all the while."""
    before = time.time() - _ABANDONED.total_seconds()
    for folder in scratch.iterdir():
        if folder.is_dir() and _unchanged_since(folder, before):
            yield folder


def _unchanged_since(folder: Path, instant: float) -> bool:
    try:
        return all(changed_before(path, instant) for path in (folder, *folder.rglob("*")))
    except FileNotFoundError:
        return False  # a folder inside went while it was looked at
