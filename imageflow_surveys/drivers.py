"""Game drivers: what a request may ask of each."""

from collections.abc import Mapping

from game_capture.registry import DRIVERS, DriverDescription, describe_driver


def list_drivers() -> Mapping[str, DriverDescription]:
    """Return every driver by its name."""
    return {name: describe_driver(name) for name in sorted(DRIVERS)}
