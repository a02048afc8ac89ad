"""How screenshots lie to one another, and how sure that is."""

from dataclasses import dataclass
from enum import StrEnum

from imageflow_domain.geometry import Offset
from imageflow_domain.grid import Cell


@dataclass(frozen=True, kw_only=True)
class PairOffset:
    """A verified offset: `moving`'s top left corner seen from `reference`'s."""

    reference: Cell
    moving: Cell
    offset: Offset
    """In whole pixels."""
    votes: int
    """Patches unique in both overlaps that agreed on this offset; of lossy screenshots, sub-windows that agree."""
    agreement: float
    """Share of compared static pixels that are exactly equal, 0 to 1; of lossy screenshots, of the sub-windows."""
    compared_px: int
    """How many static pixels were compared."""
    decisive: bool
    """The overlap agrees at this offset only: the solve must not lose it."""
    rest_x_px: float = 0.0
    rest_y_px: float = 0.0
    """What the offset is beyond whole pixels, about -0.5 to 0.5; nothing where pixels agree exactly."""
    sigma_px: float = 0.0
    """Standard error of the offset on the worse axis; 0 where pixels agree exactly."""
    noise: float = 0.0
    """Standard deviation of the difference of both screenshots' brightness, in grey levels; 0 where pixels agree."""
    was_searched: bool = False
    """Found by searching after the placement, not at the expected positions."""

    @property
    def is_exact(self) -> bool:
        """Whether the pixels of the overlap are equal; else its content agrees."""
        return self.sigma_px == 0.0

    @property
    def dx_px(self) -> float:
        """To the right, with its fraction of a pixel."""
        return self.offset.dx_px + self.rest_x_px

    @property
    def dy_px(self) -> float:
        """Downwards, with its fraction of a pixel."""
        return self.offset.dy_px + self.rest_y_px


class PairRefusal(StrEnum):
    """Why no offset between two neighbouring screenshots was verified."""

    LITTLE_OVERLAP = "little_overlap"
    """At the expected positions they overlap by next to nothing."""
    PLAIN = "plain"
    """Their overlap shows next to no detail: open water, plain ground."""
    REPEATED = "repeated"
    """Several offsets fit alike: the same structure again and again, such as waves."""
    DIFFERENT = "different"
    """The overlap shows different things: a display over the map, a moving game, or another place than expected."""


@dataclass(frozen=True, kw_only=True)
class RefusedPair:
    """Two neighbouring screenshots between which no offset was verified."""

    reference: Cell
    moving: Cell
    reason: PairRefusal


class PlacementStatus(StrEnum):
    """How sure it is where a screenshot lies: `unplaced` ones are on no tile."""

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
    """Probability, 0 to 1, that the place is exact to the pixel; of scaled screenshots, that it is within one pixel."""
    status: PlacementStatus
    group: int
    """0 for the largest group tied by verified offsets; others are numbered by size, each shot without ties alone."""
    sigma_px: float = 0.0
    """Standard error on the worse axis: of an anchored place against the survey's middle, of a guess against the
    anchored ones around it; 0 where pixels are exact, and where nothing is known."""
    found_off: Offset | None = None
    """From its expected position to the one that the search found, seen from the other anchored ones; `None` for
    what its neighbours placed."""


@dataclass(frozen=True, kw_only=True)
class DroppedOffset:
    """A verified offset that contradicts the solved positions by more than half a pixel."""

    pair: PairOffset
    residual_px: float


@dataclass(frozen=True, kw_only=True)
class OpenLoop:
    """Neighbouring offsets that contradict one another."""

    pairs: tuple[PairOffset, ...]
    misclosure: Offset
    """What they add up to, walked around, in whole pixels."""

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Each screenshot of the loop once, row by row."""
        return tuple(sorted({cell for pair in self.pairs for cell in (pair.reference, pair.moving)}))

    def __str__(self) -> str:
        return f"{', '.join(map(str, self.cells))}: off by {self.misclosure.dx_px}, {self.misclosure.dy_px} px"


@dataclass(frozen=True, kw_only=True)
class AreaStates:
    """Areas row by row; every tuple is as long."""

    row: tuple[int, ...]
    col: tuple[int, ...]
    x_px: tuple[int, ...]
    """Top left corner, as placed; as commanded before."""
    y_px: tuple[int, ...]
    status: tuple[PlacementStatus | None, ...]
    """`None` before the survey is placed."""
    confidence: tuple[float | None, ...]
    kept: tuple[bool, ...]
    """Whether the screenshot is stored."""
