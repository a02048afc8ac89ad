"""Limits of Dagster's pools, which live in the instance, not in its configuration file."""

import dagster as dg

from imageflow_clients.settings import Settings
from imageflow_domain.survey import Layer

POOL_OF_LAYER = {Layer.SCREENSHOTS: "capture", Layer.PAIR_OFFSETS: "coords", Layer.TILES: "tiles"}
INSPECTION = "inspection"


def set_pools(instance: dg.DagsterInstance, settings: Settings) -> None:
    """Bring the limits of our pools in line with the settings."""
    wanted = {
        "capture": settings.capture_pool,
        "coords": settings.coords_pool,
        "tiles": settings.tiles_pool,
        INSPECTION: settings.inspection_pool,
    }
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return
    there = {limit.name: limit.limit for limit in storage.get_pool_limits()}
    for pool, limit in wanted.items():
        if there.get(pool) != limit:
            storage.set_concurrency_slots(pool, limit)


def slots_of(instance: dg.DagsterInstance, layer: Layer) -> int:
    """Return how many runs of a layer may work at once; 1 without pools."""
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return 1
    return next((limit.limit for limit in storage.get_pool_limits() if limit.name == POOL_OF_LAYER.get(layer)), 1)


def is_free(instance: dg.DagsterInstance, pool: str) -> bool:
    """Return whether a step could claim a slot of a pool now."""
    info = instance.event_log_storage.get_concurrency_info(pool)
    return info.active_slot_count + info.pending_step_count < info.slot_count
