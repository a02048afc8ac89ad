"""What looks at a survey have found, in the API: by name, in figures, and in an English sentence."""

from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, Field

from imageflow_domain.geometry import Offset
from imageflow_domain.grid import Cell
from imageflow_domain.placement import DroppedOffset, OpenLoop, PairRefusal, Placement, PlacementStatus
from imageflow_surveys.findings import (
    ANCHORED_SHARE,
    DecisiveOffsetsKept,
    LoopsClose,
    MostlyAnchored,
    OneGroup,
    PositionsHold,
    Severity,
    ShotsPlaced,
    TiedGroup,
)
from imageflow_surveys.trust_report import ReportedFinding

_OFFENDERS = 100


class AreaPlace(BaseModel):
    """An area of the grid."""

    row: int
    col: int

    @classmethod
    def of(cls, cell: Cell) -> "AreaPlace":
        """Count rows and columns from 0 at the grid's top left."""
        return cls(row=cell.row, col=cell.col)


class OpenLoopFacts(BaseModel):
    """Neighbouring offsets that contradict one another."""

    areas: list[AreaPlace]
    dx: int
    dy: int
    """What they add up to, walked around, in pixels."""

    @classmethod
    def of(cls, loop: OpenLoop) -> "OpenLoopFacts":
        """List the loop's areas row by row, not in the order of a walk around it."""
        return cls(areas=[AreaPlace.of(c) for c in loop.cells], dx=loop.misclosure.dx_px, dy=loop.misclosure.dy_px)


class DroppedFacts(BaseModel):
    """A verified offset that the solve could not keep."""

    area: AreaPlace
    other: AreaPlace
    off_px: float

    @classmethod
    def of(cls, drop: DroppedOffset) -> "DroppedFacts":
        """Give the offset's reference as `area`, and by how many pixels the solve contradicts the offset."""
        area, other = AreaPlace.of(drop.pair.reference), AreaPlace.of(drop.pair.moving)
        return cls(area=area, other=other, off_px=drop.residual_px)


class UnsureFacts(BaseModel):
    """A screenshot that is not anchored."""

    area: AreaPlace
    status: PlacementStatus
    confidence: float

    @classmethod
    def of(cls, place: Placement) -> "UnsureFacts":
        """Add the probability that the place is exact, 0 to 1."""
        return cls(area=AreaPlace.of(place.cell), status=place.status, confidence=place.confidence)


class GroupFacts(BaseModel):
    """Screenshots that verified offsets tie to each other, but not to the map."""

    group: int
    screenshots: int

    @classmethod
    def of(cls, tied: TiedGroup) -> "GroupFacts":
        """Name the group by its number within the survey's placement."""
        return cls(group=tied.group, screenshots=tied.screenshots)


class FoundFacts(BaseModel):
    """A screenshot that the search after the placement anchored."""

    area: AreaPlace
    dx: int
    dy: int
    """From the expected position to the one found, in pixels."""

    @classmethod
    def of(cls, place: Placement) -> "FoundFacts":
        """Give 0, 0 for a screenshot that was not searched for."""
        off = place.found_off or Offset(dx_px=0, dy_px=0)
        return cls(area=AreaPlace.of(place.cell), dx=off.dx_px, dy=off.dy_px)


class _Found(BaseModel):
    holds: bool
    severity: Severity
    """What it means where it does not hold."""
    text: str
    """The same in English, as Dagster's asset check and the command line say it."""
    offenders_in_all: int


class LoopsCloseFacts(_Found):
    """Whether verified offsets add up to nothing around every loop of neighbours."""

    name: Literal["loops_close"] = "loops_close"
    offsets: int
    """Verified ones, of which loops are made."""
    offenders: list[OpenLoopFacts]
    """The first hundred."""


class ShotsPlacedFacts(_Found):
    """Whether every screenshot has a place."""

    name: Literal["shots_placed"] = "shots_placed"
    screenshots: int
    offenders: list[AreaPlace]
    """The first hundred."""


class DecisiveOffsetsKeptFacts(_Found):
    """Whether the solve kept every decisive offset, one beside which the overlap allows no other."""

    name: Literal["decisive_offsets_kept"] = "decisive_offsets_kept"
    dropped: int
    """Verified offsets that the solve could not keep, decisive or not."""
    offenders: list[DroppedFacts]
    """The first hundred decisive ones."""


class MostlyAnchoredFacts(_Found):
    """Whether enough screenshots are anchored."""

    name: Literal["mostly_anchored"] = "mostly_anchored"
    screenshots: int
    share: float
    wanted_share: float
    overlaps: dict[PairRefusal, int]
    """How many overlaps of screenshots that are not anchored gave no offset, by the reason."""
    reach_px: int
    """Largest error of an estimated position against its neighbour's."""
    offenders: list[UnsureFacts]
    """The first hundred, least sure first."""


class OneGroupFacts(_Found):
    """Whether verified offsets tie all screenshots that have any into one group."""

    name: Literal["one_group"] = "one_group"
    offenders: list[GroupFacts]
    """The first hundred."""


class PositionsHoldFacts(_Found):
    """Whether screenshots lie at their expected positions, or had to be searched for farther away."""

    name: Literal["positions_hold"] = "positions_hold"
    screenshots: int
    reach_px: int
    """Largest error of an estimated position against its neighbour's."""
    farthest_px: int
    """The largest error of an expected position; 0 where none was searched for and found."""
    offenders: list[FoundFacts]
    """The first hundred, farthest off first; also where the finding holds."""


FindingFacts = Annotated[
    LoopsCloseFacts
    | ShotsPlacedFacts
    | DecisiveOffsetsKeptFacts
    | MostlyAnchoredFacts
    | OneGroupFacts
    | PositionsHoldFacts,
    Field(discriminator="name"),
]

T = TypeVar("T")


def finding_facts(found: ReportedFinding) -> FindingFacts:
    """Return a finding with its first hundred offenders."""
    holds, severity, text = found.holds, found.severity, found.text
    match found:
        case LoopsClose(loops=loops, offsets=offsets):
            return LoopsCloseFacts(
                holds=holds,
                severity=severity,
                text=text,
                offsets=offsets,
                offenders=[OpenLoopFacts.of(loop) for loop in _first(loops)],
                offenders_in_all=len(loops),
            )
        case ShotsPlaced(unplaced=unplaced, screenshots=screenshots):
            return ShotsPlacedFacts(
                holds=holds,
                severity=severity,
                text=text,
                screenshots=screenshots,
                offenders=[AreaPlace.of(cell) for cell in _first(unplaced)],
                offenders_in_all=len(unplaced),
            )
        case DecisiveOffsetsKept(decisive=decisive, dropped=dropped):
            return DecisiveOffsetsKeptFacts(
                holds=holds,
                severity=severity,
                text=text,
                dropped=dropped,
                offenders=[DroppedFacts.of(drop) for drop in _first(decisive)],
                offenders_in_all=len(decisive),
            )
        case MostlyAnchored(unsure=unsure, screenshots=screenshots, share=share, causes=causes):
            return MostlyAnchoredFacts(
                holds=holds,
                severity=severity,
                text=text,
                screenshots=screenshots,
                share=share,
                wanted_share=ANCHORED_SHARE,
                overlaps=dict(causes.overlaps),
                reach_px=causes.reach_px,
                offenders=[UnsureFacts.of(place) for place in _first(unsure)],
                offenders_in_all=len(unsure),
            )
        case OneGroup(others=others):
            return OneGroupFacts(
                holds=holds,
                severity=severity,
                text=text,
                offenders=[GroupFacts.of(tied) for tied in _first(others)],
                offenders_in_all=len(others),
            )
        case PositionsHold(found=placed, screenshots=screenshots, reach_px=reach_px, farthest_px=farthest_px):
            return PositionsHoldFacts(
                holds=holds,
                severity=severity,
                text=text,
                screenshots=screenshots,
                reach_px=reach_px,
                farthest_px=farthest_px,
                offenders=[FoundFacts.of(place) for place in _first(placed)],
                offenders_in_all=len(placed),
            )


def _first(offenders: Sequence[T]) -> Sequence[T]:
    return offenders[:_OFFENDERS]
