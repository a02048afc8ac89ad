"""When database and objects were last backed up."""

from collections.abc import Mapping
from enum import StrEnum

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from imageflow_clients.database.core import schema

_T = schema.backups


class BackupKind(StrEnum):
    """What is backed up, each by a command of its own."""

    DATABASE = "database"
    OBJECTS = "objects"


def record(connection: Connection, kind: BackupKind, size_bytes: int) -> None:
    """Note that a backup has just been finished."""
    connection.execute(
        upsert(_T)
        .values(kind=kind, size_bytes=size_bytes)
        .on_conflict_do_update(index_elements=["kind"], set_={"size_bytes": size_bytes, "finished_at": func.now()})
    )


def ages_s(connection: Connection) -> Mapping[BackupKind, float]:
    """Return how many seconds ago the last backup of each kind was finished; kinds without one are left out."""
    found = connection.execute(select(_T.c.kind, func.extract("epoch", func.now() - _T.c.finished_at)))
    return {BackupKind(kind): float(age) for kind, age in found}
