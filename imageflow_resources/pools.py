"""Limits of Dagster's pools, which live in the instance, not in its configuration file."""

import dagster as dg

from imageflow_clients.settings import Settings
from imageflow_domain.survey import Layer

POOL_OF_LAYER = {Layer.SCREENSHOTS: "capture", Layer.PAIR_OFFSETS: "coords", Layer.TILES: "tiles"}
INSPECTION = "inspection"


def set_pools(instance: dg.DagsterInstance, settings: Settings) -> None:
    """Give our pools the limits of the settings, but for those whose setting is what it was when it was last written.

    A limit that an operator changes in Dagster's UI so stays until the setting itself changes.
    """
    settings_of = {
        "capture": settings.capture_pool,
        "coords": settings.coords_pool,
        "tiles": settings.tiles_pool,
        INSPECTION: settings.inspection_pool,
    }
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return
    notes = instance.daemon_cursor_storage
    written = notes.get_cursor_values({_note(pool) for pool in settings_of})
    for pool, limit in settings_of.items():
        if written.get(_note(pool)) != str(limit):
            storage.set_concurrency_slots(pool, limit)
            notes.set_cursor_values({_note(pool): str(limit)})


def _note(pool: str) -> str:
    """The key in Dagster's own storage, with which it would be lost together with the limits."""
    return f"imageflow/pools/{pool}"


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
