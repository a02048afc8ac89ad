"""Restoring a backup into empty stores, and comparing what came out with what went in."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from itertools import islice

from packaging.version import Version

from imageflow_backup.catalogue import archive_chunks, check_backup, read_backup
from imageflow_backup.places import backup_place, objects_place
from imageflow_clients.backup_store import open_backup_store
from imageflow_clients.database.core.migrating import newest_revision
from imageflow_clients.encryption import PrivateKey, decrypt
from imageflow_clients.object_stores import open_object_store
from imageflow_clients.objects import ObjectStore
from imageflow_clients.postgres_dump import DumpedDatabase, PostgresPrograms, check_empty, dumped_databases, rows_of
from imageflow_clients.replication import copy
from imageflow_clients.settings import Settings
from imageflow_domain import keys
from imageflow_domain.backup import Archive, Backup, is_backup_name
from imageflow_domain.errors import Conflict, ImageFlowError, InvalidInput, ObjectMissing

_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What was restored and compared."""

    backup: Backup
    rows: int
    """Rows of all tables, as many as were dumped."""
    objects: int
    size: int
    """Bytes of the objects."""
    samples: int
    """Objects whose bytes were compared with those of the backup's time."""
    differ: tuple[str, ...]
    """Keys of those that are missing or hold other bytes."""

    def check(self) -> None:
        """Raise `ImageFlowError` where sampled objects differ."""
        if self.differ:
            more = f" and {len(self.differ) - _NAMED} more" if len(self.differ) > _NAMED else ""
            raise ImageFlowError(
                f"{len(self.differ)} of {self.samples} sampled objects are missing or are not those of backup "
                f"'{self.backup.name}': {', '.join(self.differ[:_NAMED])}{more}. They may be newer than the last "
                "replication, or deleted since the backup. The database is restored; surveys that need these objects "
                "say so."
            )


def restore_backup(
    settings: Settings, private_keys: Sequence[PrivateKey], *, name: str | None = None, keep_objects: bool = False
) -> Restored:
    """Restore a backup into the empty stores that the settings name.

    Everything that can be refused is, before anything is changed. The database has the backup's schema afterwards: it
    may have to be migrated. Where copying the objects breaks off, both stores are to be emptied before it is repeated.

    Args:
        settings: Name the backup store and the stores to restore into.
        private_keys: One of them must belong to a public key of the backup.
        name: Of the backup; by default the newest.
        keep_objects: Leave the object store as it is.
    """
    place = backup_place(settings)
    store, objects = open_backup_store(settings), open_object_store(settings)
    backup = read_backup(store, name)
    _check_usable(backup, private_keys)
    databases = {database.name: database for database in dumped_databases(settings)}
    _check_targets(backup, databases, None if keep_objects else objects)
    check_backup(store, backup)
    programs = PostgresPrograms(settings)
    for archive in backup.archives:
        _restore(store, backup, archive, programs, databases[archive.database], private_keys)
    copied = [] if keep_objects else [copy(place.inside(keys.REPLICA), objects_place(settings))]
    if not keep_objects:
        # What a replication replaced after the backup was there at its time: the oldest of these is copied last.
        later = [each for each in store.list_folders(keys.REPLACED) if is_backup_name(each) and each > backup.name]
        copied += [copy(place.inside(keys.replaced(each)), objects_place(settings)) for each in reversed(later)]
    return Restored(
        backup=backup,
        rows=sum(sum(archive.rows.values()) for archive in backup.archives),
        objects=sum(each.objects for each in copied),
        size=sum(each.size for each in copied),
        samples=len(backup.samples),
        differ=tuple(each.key for each in backup.samples if _digest(objects, each.key) != each.sha256),
    )


def _check_usable(backup: Backup, private_keys: Sequence[PrivateKey]) -> None:
    """Raise `InvalidInput` where this version cannot use the backup's schema, or no private key fits."""
    own = version("imageflow")
    if backup.schema_revision > newest_revision() and Version(own) < Version(backup.oldest_program):
        raise InvalidInput(
            f"Backup '{backup.name}' has schema {backup.schema_revision}, which needs ImageFlow "
            f"{backup.oldest_program} or newer: restore it with that version, this is {own}."
        )
    public = {key.public for key in private_keys}
    if not public & set(backup.recipients):
        raise InvalidInput(
            f"Backup '{backup.name}' is encrypted for {', '.join(backup.recipients)}, and the given private key "
            f"belongs to {', '.join(sorted(public))}: name the file of the right private key."
        )


def _check_targets(backup: Backup, databases: dict[str, DumpedDatabase], objects: ObjectStore | None) -> None:
    """Raise `Conflict` where something is in the way of what is to be restored."""
    if {archive.database for archive in backup.archives} != set(databases):
        kinds = ("of the embedded PostgreSQL", "of a PostgreSQL server")
        made, here = kinds if len(backup.archives) > len(databases) else reversed(kinds)
        how = "unset" if made == kinds[0] else "set"
        raise Conflict(
            f"Backup '{backup.name}' is {made} and cannot be restored into one {here}: {how} IMAGEFLOW_DATABASE_URL."
        )
    for database in databases.values():
        check_empty(database)
    if objects is not None and any(islice(objects.list(), 1)):
        raise Conflict(
            f"The object store, {objects.label}, holds objects already: restore into an empty one, or leave it as "
            "it is with --keep-objects."
        )


def _restore(
    store: ObjectStore,
    backup: Backup,
    archive: Archive,
    programs: PostgresPrograms,
    database: DumpedDatabase,
    private_keys: Sequence[PrivateKey],
) -> None:
    try:
        programs.restore(database, lambda write: decrypt(archive_chunks(store, backup, archive), write, private_keys))
    except InvalidInput as error:
        raise InvalidInput(f"Backup '{backup.name}' cannot be decrypted. {error}") from error
    found = rows_of(database)
    wrong = [
        table for table in sorted(found.keys() | archive.rows.keys()) if found.get(table) != archive.rows.get(table)
    ]
    if wrong:
        listed = ", ".join(f"{table} {found.get(table)} of {archive.rows.get(table)}" for table in wrong[:_NAMED])
        raise ImageFlowError(f"{len(wrong)} tables have other numbers of rows than backup '{backup.name}': {listed}.")


def _digest(objects: ObjectStore, key: str) -> str | None:
    try:
        return sha256(objects.get(key, next_step="")).hexdigest()
    except ObjectMissing:
        return None
