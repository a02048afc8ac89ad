"""How screenshots lie to one another, and how sure that is."""

from dataclasses import dataclass
from enum import StrEnum

from imageflow_domain.geometry import Offset
from imageflow_domain.grid import Cell


@dataclass(frozen=True, kw_only=True)
class PairOffset:
    """A verified whole-pixel offset: `moving`'s top left corner seen from `reference`'s."""

    reference: Cell
    moving: Cell
    offset: Offset
    votes: int
    """Patches unique in both overlaps that agreed on this offset."""
    agreement: float
    """Share of compared static pixels that are exactly equal, 0 to 1."""
    compared_px: int
    """How many static pixels were compared."""
    decisive: bool
    """The overlap agrees at this offset only: the solve must not lose it."""


class PlacementStatus(StrEnum):
    ANCHORED = "anchored"
    """In the largest group that verified offsets tie together."""
    AMBIGUOUS = "ambiguous"
    """Placed, but the pixels allow other places too."""
    UNPLACED = "unplaced"
    """No picture, or no evidence at all."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where one screenshot's top left corner lies, in whole pixels of the survey's plane."""

    cell: Cell
    x_px: int
    y_px: int
    confidence: float
    """Probability that the place is exact to the pixel, 0 to 1."""
    status: PlacementStatus
    group: int
    """0 for the largest group tied by verified offsets; others are numbered by size, each shot without ties alone."""


@dataclass(frozen=True, kw_only=True)
class DroppedOffset:
    """A verified offset that contradicts the solved positions by more than half a pixel."""

    pair: PairOffset
    residual_px: float
