"""Limits of Dagster's pools, which live in the instance, not in its configuration file."""

import dagster as dg

from imageflow_clients.settings import Settings


def set_pools(instance: dg.DagsterInstance, settings: Settings) -> None:
    """Bring the limits of the map's pools in line with the settings."""
    wanted = {"capture": settings.capture_pool, "coords": settings.coords_pool, "tiles": settings.tiles_pool}
    storage = instance.event_log_storage
    there = {limit.name: limit.limit for limit in storage.get_pool_limits()}
    for pool, limit in wanted.items():
        if there.get(pool) != limit:
            storage.set_concurrency_slots(pool, limit)
