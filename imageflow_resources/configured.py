"""Every resource of the code location, as the environment configures it, and how some are made of others."""

from collections.abc import Mapping
from typing import Any

from imageflow_clients.settings import Settings
from imageflow_resources.containers import ContainersResource
from imageflow_resources.database import DatabaseResource
from imageflow_resources.games import GameDriverResource
from imageflow_resources.inference import InferenceResource, IsolationResource
from imageflow_resources.object_store import ObjectStoreResource
from imageflow_resources.stores import StoresResource


def configured_resources(settings: Settings, replaced: Mapping[str, Any]) -> dict[str, Any]:
    """Return all resources by key.

    Args:
        settings: Read from the environment of this process.
        replaced: Resources, or what they would give, in place of ours; a replaced `database` or `object_store` is also
            the one of which `stores` and `models` are made.
    """
    single = {
        "database": DatabaseResource.of(settings),
        "object_store": ObjectStoreResource.of(settings),
        "isolation": IsolationResource.of(settings),
        "containers": ContainersResource.of(settings),
        "games": GameDriverResource.of(settings),
        **replaced,
    }
    database, object_store = single["database"], single["object_store"]
    composed = {
        "stores": StoresResource(database=database, object_store=object_store, scratch=str(settings.scratch_path)),
        "models": InferenceResource.of(settings, object_store),
    }
    return {**composed, **single}
