"""What every use case works on: the metadata database and the object store, opened together."""

from dataclasses import dataclass
from pathlib import Path

from imageflow_clients.database.core.engine import Database, open_database
from imageflow_clients.object_stores import open_object_store
from imageflow_clients.objects import ObjectStore
from imageflow_clients.settings import Settings
from imageflow_domain.errors import StoreUnavailable


@dataclass(frozen=True, kw_only=True)
class Stores:
    """Rows and objects, and a folder for what only lives as long as its process."""

    database: Database
    objects: ObjectStore
    scratch: Path


def open_stores(settings: Settings) -> Stores:
    """Open both stores; raise `DatabaseUnavailable` or `StoreUnavailable`."""
    scratch = made_scratch(settings.scratch_path)
    return Stores(database=open_database(settings), objects=open_object_store(settings), scratch=scratch)


def made_scratch(folder: Path) -> Path:
    """Make the folder for files of processes, and return it; raise `StoreUnavailable`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(
            f"'{folder}' cannot hold our files ({error.strerror}): set IMAGEFLOW_SCRATCH or IMAGEFLOW_HOME to a folder "
            "that can."
        ) from error
    return folder
