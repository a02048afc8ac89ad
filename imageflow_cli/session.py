"""What a command works with: settings, stores, and Dagster's instance, opened once."""

import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imageflow_clients.database.core.connecting import embedded_server
from imageflow_clients.embedded_postgres import EmbeddedPostgres
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.errors import DatabaseUnavailable

if TYPE_CHECKING:
    import dagster as dg


@dataclass(frozen=True, kw_only=True)
class Session:
    """One process's connections."""

    settings: Settings
    stores: Stores
    instance: "dg.DagsterInstance"


def stores_only() -> Stores:
    """Open the stores for a command that asks nothing of Dagster, whose import takes a second."""
    return open_stores(Settings())


def start_database() -> None:
    """Have the embedded server, where that is the database, started while this process imports Dagster."""
    embedded = embedded_server(Settings())
    if embedded is not None:
        threading.Thread(target=_start, args=(embedded,), name="start-database", daemon=True).start()


def _start(embedded: EmbeddedPostgres) -> None:
    with suppress(DatabaseUnavailable):  # opening the stores reports the same error
        embedded.ensure_running()


def open_session() -> Session:
    """Open everything, and see that it answers; raise `DatabaseUnavailable` or `StoreUnavailable`."""
    from imageflow_resources.storage import load_instance
    from imageflow_resources.stores import shared_stores

    settings = Settings()
    stores = shared_stores(settings)
    stores.objects.check()
    return Session(settings=settings, stores=stores, instance=load_instance(settings))
