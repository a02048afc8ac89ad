"""What a command that asks Dagster works with: settings, stores, and Dagster's instance, opened once.

Other commands open the stores alone: importing Dagster takes a second.
"""

import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imageflow_clients.database.core.connecting import embedded_server
from imageflow_clients.embedded_postgres import EmbeddedPostgres
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.errors import DatabaseUnavailable

if TYPE_CHECKING:
    import dagster as dg


@dataclass(frozen=True, kw_only=True)
class Session:
    """One process's connections."""

    settings: Settings
    stores: Stores
    instance: "dg.DagsterInstance"


def start_database(settings: Settings) -> None:
    """Have the embedded server, where that is the database, started while this process imports Dagster."""
    embedded = embedded_server(settings)
    if embedded is not None:
        threading.Thread(target=_start, args=(embedded,), name="start-database", daemon=True).start()


def _start(embedded: EmbeddedPostgres) -> None:
    with suppress(DatabaseUnavailable):  # opening the stores reports the same error
        embedded.ensure_running()


def open_session(settings: Settings) -> Session:
    """Open everything, and see that it answers; raise `DatabaseUnavailable` or `StoreUnavailable`."""
    from imageflow_resources.storage import load_instance
    from imageflow_resources.stores import shared_stores

    stores = shared_stores(settings)
    stores.objects.check()
    return Session(settings=settings, stores=stores, instance=load_instance(settings))
