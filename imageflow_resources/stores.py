"""The stores as a Dagster resource, and the heartbeat by which a run's worker says that it is alive."""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from imageflow_clients.database import heartbeats
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.errors import DatabaseUnavailable

BEAT_S = 5.0
"""Seconds between two signs of life."""


@functools.cache
def shared_stores() -> Stores:
    """Open the stores once for a process: sensors ask for them every second."""
    return open_stores(Settings())


class StoresResource(dg.ConfigurableResource[Stores]):
    """Rows and objects for assets and sensors; in a run, its worker's heartbeat beats as long as it is in use."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Stores]:
        stores = shared_stores()
        if context.run is None:
            yield stores
            return
        with beating(stores, context.run.run_id):
            yield stores


@contextmanager
def beating(stores: Stores, name: str) -> Iterator[None]:
    """Say every `BEAT_S` seconds that `name`, a run's id or a carrier, is alive; stop saying so at the end."""
    over = threading.Event()

    def beat() -> None:
        while not over.is_set():
            try:
                with stores.database.begin() as connection:
                    heartbeats.beat(connection, name)
            except DatabaseUnavailable as error:
                # The work itself will fail on it, in words; the next beat may reach a fresh server.
                dg.get_dagster_logger().warning("No heartbeat: %s", error)
            over.wait(BEAT_S)

    thread = threading.Thread(target=beat, name=f"heartbeat-{name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
