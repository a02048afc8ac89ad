"""The settings of the classes that `dagster.yaml` names: Dagster makes those, and can pass them none."""

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from imageflow_clients.settings import Settings


def settings_of(config: Mapping[str, Any]) -> Settings:
    """Return the settings, with the home that the configuration names where it names one.

    They are read once for each environment of a process: a code server makes an instance for every tick.
    """
    environment = frozenset(item for item in os.environ.items() if item[0].upper().startswith("IMAGEFLOW_"))
    return _read_settings(config.get("home"), environment)


@lru_cache(maxsize=8)
def _read_settings(home: str | None, environment: frozenset[tuple[str, str]]) -> Settings:  # noqa: ARG001 - the key
    return Settings() if home is None else Settings(home=Path(home))
