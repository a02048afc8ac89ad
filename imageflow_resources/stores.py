"""Both stores as one Dagster resource, and the heartbeat by which a run's worker says that it is alive."""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from pydantic import Field
from typing_extensions import override

from imageflow_clients.database.core import heartbeats
from imageflow_clients.database.core.engine import Database
from imageflow_clients.objects import ObjectStore
from imageflow_clients.s3_account import S3Account
from imageflow_clients.settings import DatabaseSettings, ObjectStoreSettings, Settings
from imageflow_clients.stores import Stores, made_scratch
from imageflow_domain.errors import DatabaseUnavailable, InvalidInput
from imageflow_resources.database import shared_database
from imageflow_resources.object_store import shared_object_store

BEAT_S = 5.0
"""Seconds between two signs of life."""

_FIXED = ("database", "object_store")

_STEP_VARIABLE = "DAGSTER_RUN_STEP_KEY"
"""Set by Dagster in the pod of a step, which may outlive its run's worker: it gives no sign of life for the worker."""


class StoresResource(dg.ConfigurableResource[Stores]):
    """Rows and objects for assets and sensors; in a run, its worker's heartbeat beats as long as it is in use."""

    database: dg.ResourceDependency[Database]
    object_store: dg.ResourceDependency[ObjectStore]
    scratch: str = Field(description="Folder for files that only live as long as their process.")

    @contextmanager
    @override
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Stores]:
        stores = Stores(database=self.database, objects=self.object_store, scratch=made_scratch(Path(self.scratch)))
        if context.run is None:
            yield stores
            return
        _refuse_stores_of_its_own(context.run)
        if _STEP_VARIABLE in os.environ:
            yield stores
            return
        with beating(stores, context.run.run_id):
            yield stores


def shared_stores(settings: Settings) -> Stores:
    """Return the stores that the resources give, opened once for a process, to a caller outside of Dagster's runs."""
    home = settings.home_path
    objects = ObjectStoreSettings(
        home=home,
        object_store_url=settings.object_store_url,
        store_deadline_s=settings.store_deadline_s,
        store_requests=settings.store_requests,
    )
    return Stores(
        database=shared_database(DatabaseSettings(home=home, database_url=settings.database_url)),
        objects=shared_object_store(objects, S3Account.of_environment()),
        scratch=made_scratch(settings.scratch_path),
    )


@contextmanager
def beating(stores: Stores, name: str) -> Iterator[None]:
    """Say every `BEAT_S` seconds that `name`, a run's id, is alive; stop saying so at the end."""
    over = threading.Event()

    def beat() -> None:
        while not over.is_set():
            try:
                with stores.database.begin() as connection:
                    heartbeats.beat(connection, name)
            except DatabaseUnavailable as error:
                # The work itself will fail with a message; the next beat may reach a fresh server.
                dg.get_dagster_logger().warning("No heartbeat: %s", error)
            over.wait(BEAT_S)

    thread = threading.Thread(target=beat, name=f"heartbeat-{name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _refuse_stores_of_its_own(run: dg.DagsterRun) -> None:
    """Dagster would take such a configuration and leave it unused; sensors and the map read the configured stores."""
    given = run.run_config.get("resources")
    if isinstance(given, Mapping) and not given.keys().isdisjoint(_FIXED):
        raise InvalidInput(
            f"A run has no stores of its own: leave {' and '.join(_FIXED)} out of its configuration, and set "
            "IMAGEFLOW_DATABASE_URL and IMAGEFLOW_OBJECT_STORE_URL for all of ImageFlow."
        )
