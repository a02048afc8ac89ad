"""Backing up: an encrypted dump of the database with its manifest, and the replication of the objects."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from importlib.metadata import version

from imageflow_backup.catalogue import delete_old_backups, delete_old_replaced
from imageflow_backup.places import backup_place, objects_place
from imageflow_clients.backup_store import open_backup_store
from imageflow_clients.database.core import backups
from imageflow_clients.database.core.backups import BackupKind
from imageflow_clients.database.core.migrating import current_revision, newest_revision, oldest_program
from imageflow_clients.encryption import check_public_keys, encrypt
from imageflow_clients.objects import ObjectStore
from imageflow_clients.postgres_dump import DumpedDatabase, PostgresPrograms, Snapshot, dumped_databases, snapshot
from imageflow_clients.replication import Copied, replicate
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.backup import Archive, Backup, Part, SampledObject, backup_name
from imageflow_domain.errors import InvalidInput, ObjectMissing

_PART_BYTES = 8 << 20
"""Uploaded in one request, within the deadline of one."""
_SAMPLES = 100


def back_up_database(settings: Settings, stores: Stores) -> Backup:
    """Dump all of the database, encrypted, into the backup store; then delete old backups.

    Nothing is written to this machine's disk. Raises `InvalidInput` where the settings name no store or no public key.
    """
    check_public_keys(settings.backup_recipients)
    if not settings.backup_recipients:
        raise InvalidInput(
            "Set IMAGEFLOW_BACKUP_RECIPIENTS to the public keys for which backups are encrypted: "
            "`imageflow backup key FILE` makes a pair."
        )
    backup_place(settings)
    target = open_backup_store(settings)
    programs = PostgresPrograms(settings)
    name = backup_name(datetime.now(UTC))
    try:
        archives, postgres = [], 0
        for database in dumped_databases(settings):
            with snapshot(database) as held:
                parts = _Parts(target, name, database)
                with programs.dump(database, held) as stream:
                    encrypt(stream, parts.write, settings.backup_recipients)
                archives.append(parts.archive(held))
                postgres = held.server_version
        backup = _manifest(settings, stores, name=name, postgres=postgres, archives=archives)
        target.put(keys.backup_manifest(name), backup.model_dump_json(indent=1).encode())
    except BaseException:
        target.delete_prefix(keys.backup(name))
        raise
    with stores.database.begin() as connection:
        backups.record(connection, BackupKind.DATABASE, backup.size)
    delete_old_backups(target, keep=timedelta(days=settings.backup_keep_days))
    return backup


def replicate_objects(settings: Settings, stores: Stores) -> Copied:
    """Bring the replica of the objects up to date; what is deleted or overwritten there is kept apart for a while."""
    place = backup_place(settings)
    name = backup_name(datetime.now(UTC))
    copied = replicate(objects_place(settings), place.inside(keys.REPLICA), replaced=place.inside(keys.replaced(name)))
    with stores.database.begin() as connection:
        backups.record(connection, BackupKind.OBJECTS, copied.size)
    delete_old_replaced(open_backup_store(settings), keep=timedelta(days=settings.backup_keep_days))
    return copied


class _Parts:
    """Writes a stream as objects of one size; each is in memory once."""

    def __init__(self, store: ObjectStore, name: str, database: DumpedDatabase) -> None:
        self._store = store
        self._name = name
        self._database = database.name
        self._buffer = bytearray()
        self._parts: list[Part] = []

    def write(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= _PART_BYTES:
            self._put(bytes(self._buffer[:_PART_BYTES]))
            del self._buffer[:_PART_BYTES]

    def archive(self, held: Snapshot) -> Archive:
        """Write the rest, and return what was written."""
        if self._buffer:
            self._put(bytes(self._buffer))
            self._buffer.clear()
        return Archive(database=self._database, parts=tuple(self._parts), rows=held.rows)

    def _put(self, data: bytes) -> None:
        self._store.put(keys.backup_part(self._name, self._database, len(self._parts)), data)
        self._parts.append(Part(size=len(data), sha256=sha256(data).hexdigest()))


def _manifest(settings: Settings, stores: Stores, *, name: str, postgres: int, archives: Sequence[Archive]) -> Backup:
    with stores.database.begin() as connection:
        revision = current_revision(connection) or newest_revision()
        oldest = oldest_program(connection)
    return Backup(
        name=name,
        imageflow=version("imageflow"),
        dagster=version("dagster"),
        postgres=postgres,
        schema_revision=revision,
        oldest_program=oldest,
        recipients=settings.backup_recipients,
        archives=tuple(archives),
        samples=_samples(stores.objects),
    )


def _samples(objects: ObjectStore) -> tuple[SampledObject, ...]:
    """Read objects drawn at random, each as likely as any other, in one pass over the listing."""
    drawn: list[str] = []
    for number, stored in enumerate(objects.list()):
        if number < _SAMPLES:
            drawn.append(stored.key)
        elif (place := random.randint(0, number)) < _SAMPLES:  # noqa: S311 - a sample, no secret
            drawn[place] = stored.key
    samples = []
    for key in drawn:
        try:
            data = objects.get(key, next_step="")
        except ObjectMissing:
            continue  # deleted since it was listed
        samples.append(SampledObject(key=key, sha256=sha256(data).hexdigest()))
    return tuple(samples)
