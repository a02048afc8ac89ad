"""Backups of the database: their names, and the manifest that says what each one holds."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from imageflow_domain.errors import InvalidInput

# To the microsecond: a replication may follow within the second, and what it replaces belongs to the backup.
_FORM = "%Y-%m-%dT%H%M%S.%fZ"
_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d{6}\.\d{6}Z")


def backup_name(at: datetime) -> str:
    """Return the name of a backup of that moment. Names sort in the order of time."""
    return at.astimezone(UTC).strftime(_FORM)


def is_backup_name(value: str) -> bool:
    """Whether `value` has the form of a backup's name."""
    return _NAME.fullmatch(value) is not None


def check_backup_name(value: str) -> str:
    """Return `value` if it has the form of a backup's name; raise `InvalidInput` otherwise."""
    if not is_backup_name(value):
        raise InvalidInput(f"'{value}' is not the name of a backup: `imageflow backup list` shows their names.")
    return value


class Part(BaseModel):
    """One object of an encrypted archive."""

    model_config = ConfigDict(frozen=True)

    size: int
    """Bytes."""
    sha256: str


class Archive(BaseModel):
    """The dump of one database, encrypted, in parts."""

    model_config = ConfigDict(frozen=True)

    database: str
    parts: tuple[Part, ...]
    rows: Mapping[str, int]
    """Rows of each table, such as `public.surveys`, in the dump's snapshot."""

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(part.size for part in self.parts)


class SampledObject(BaseModel):
    """An object of the live store, read when the backup was made; a restored store must hold the same bytes."""

    model_config = ConfigDict(frozen=True)

    key: str
    sha256: str


class Backup(BaseModel):
    """What a manifest says. It is written last: without one, there is no backup."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    name: str
    """Of the moment before which every committed change is in the dump."""
    imageflow: str
    """The version that made it."""
    dagster: str
    postgres: int
    """Major version of the server."""
    schema_revision: str
    oldest_program: str
    """The oldest ImageFlow that may use the schema."""
    recipients: tuple[str, ...]
    """Public keys; each one's private key can decrypt it."""
    archives: tuple[Archive, ...]
    samples: tuple[SampledObject, ...]

    @property
    def size(self) -> int:
        """Bytes of all archives."""
        return sum(archive.size for archive in self.archives)
