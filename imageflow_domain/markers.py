"""Named places of a save."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class MarkerText:
    """A person's note on a place."""

    name: str
    note: str
    colour: str


@dataclass(frozen=True, kw_only=True)
class Marker:
    """One named place."""

    id: int
    frame_number: int
    """The frame of the save in which its position lies."""
    x_px: int
    y_px: int
    text: MarkerText
    version: int
    """Counts its changes, from 1."""
    changed_at: datetime
