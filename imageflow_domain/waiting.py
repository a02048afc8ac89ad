"""How much work waits for one pool."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Work that could be done now, or is being done."""

    units: int
    """Blocks of surveys, or batches."""
    oldest_s: float
    """For how long the oldest unit has waited; 0 where there is none."""
    images: int = 0
    """Of batches."""
