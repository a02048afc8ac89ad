"""Which backups there are: finding them, checking that they are whole, and deleting old ones."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from pydantic import ValidationError

from imageflow_clients.objects import ObjectStore
from imageflow_domain import keys
from imageflow_domain.backup import Archive, Backup, backup_name, is_backup_name
from imageflow_domain.errors import InvalidInput, NotFound, ObjectDamaged, ObjectMissing

_UNFINISHED = timedelta(days=1)
"""Age from which a backup without a manifest is of a process that was killed."""
_NEXT = "restore another backup (`imageflow backup list`)"


def backup_names(store: ObjectStore) -> tuple[str, ...]:
    """Return the names of finished backups, oldest first."""
    return tuple(name for name in _named(store, keys.BACKUPS) if store.exists(keys.backup_manifest(name)))


def _named(store: ObjectStore, folder: str) -> tuple[str, ...]:
    """Return the folders inside one that are named as backups are; others are left alone."""
    return tuple(name for name in store.list_folders(folder) if is_backup_name(name))


def list_backups(store: ObjectStore) -> tuple[Backup, ...]:
    """Return all finished backups, oldest first."""
    return tuple(read_backup(store, name) for name in backup_names(store))


def read_backup(store: ObjectStore, name: str | None = None) -> Backup:
    """Return a backup, by default the newest one; raise `NotFound`."""
    if name is None:
        names = backup_names(store)
        if not names:
            raise NotFound(f"There is no backup in {store.label}: `imageflow backup database` makes one.")
        name = names[-1]
    try:
        text = store.get(
            keys.backup_manifest(name), next_step="`imageflow backup list` shows the backups that there are"
        )
        return Backup.model_validate_json(text)
    except ValidationError as error:
        raise InvalidInput(
            f"This version cannot read the manifest of backup '{name}': restore it with the ImageFlow that made it."
        ) from error


def check_backup(store: ObjectStore, backup: Backup) -> None:
    """Read all parts of a backup, without decrypting them.

    Raises `ObjectMissing` or `ObjectDamaged` naming the first part that is not what was written.
    """
    _check_all_there(store, backup)
    for archive in backup.archives:
        for _ in archive_chunks(store, backup, archive):
            pass


def archive_chunks(store: ObjectStore, backup: Backup, archive: Archive) -> Iterator[bytes]:
    """Yield the parts of an archive; raise `ObjectMissing` or `ObjectDamaged` at one that is not what was written."""
    for number, part in enumerate(archive.parts):
        key = keys.backup_part(backup.name, archive.database, number)
        what = f"part {number + 1} of {len(archive.parts)} of backup '{backup.name}'"
        data = store.get(key, what=what, next_step=_NEXT)
        if len(data) != part.size or sha256(data).hexdigest() != part.sha256:
            raise ObjectDamaged(key, what=what, next_step=_NEXT)
        yield data


def _check_all_there(store: ObjectStore, backup: Backup) -> None:
    """Look for every part before the first is read: a missing one is found in seconds."""
    there = {stored.key for stored in store.list(keys.backup(backup.name))}
    for archive in backup.archives:
        for number in range(len(archive.parts)):
            key = keys.backup_part(backup.name, archive.database, number)
            if key not in there:
                what = f"part {number + 1} of {len(archive.parts)} of backup '{backup.name}'"
                raise ObjectMissing(key, what=what, next_step=_NEXT)


def delete_old_backups(store: ObjectStore, *, keep: timedelta) -> int:
    """Delete backups older than `keep`, but for the newest, and what killed processes left; return how many."""
    now = datetime.now(UTC)
    finished = backup_names(store)
    expired = {name for name in finished[:-1] if name < backup_name(now - keep)}
    abandoned = {
        name for name in _named(store, keys.BACKUPS) if name not in finished and name < backup_name(now - _UNFINISHED)
    }
    for name in expired | abandoned:
        store.delete_prefix(keys.backup(name))
    return len(expired)


def delete_old_replaced(store: ObjectStore, *, keep: timedelta) -> None:
    """Delete objects that replications replaced longer ago than `keep`."""
    before = backup_name(datetime.now(UTC) - keep)
    for name in _named(store, keys.REPLACED):
        if name < before:
            store.delete_prefix(keys.replaced(name))
