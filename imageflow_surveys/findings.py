"""What one look at a survey found: figures, and their texts in English. `trust.py` does the looking."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from typing_extensions import override

from imageflow_domain.grid import Cell
from imageflow_domain.placement import DroppedOffset, OpenLoop, PairRefusal, Placement
from imageflow_mosaic.correlation import MIN_OVERLAP_PX

ANCHORED_SHARE = 0.9
"""Below this share of anchored screenshots a survey has a warning."""


class Severity(StrEnum):
    """What a finding means where it does not hold: `error` withholds the map from publication, `warn` does not."""

    WARN = "warn"
    ERROR = "error"


class Finding(ABC):
    """One thing that was looked at."""

    severity: ClassVar[Severity]
    """What it means where it does not hold."""

    @property
    @abstractmethod
    def holds(self) -> bool:
        """Whether nothing is wrong; else `severity` applies."""

    @property
    @abstractmethod
    def text(self) -> str:
        """The figures in a sentence."""

    @property
    @abstractmethod
    def offenders(self) -> tuple[str, ...]:
        """Each names the screenshots or tiles that are at fault."""


@dataclass(frozen=True, kw_only=True)
class LoopsClose(Finding):
    """Whether verified offsets add up to nothing around every loop of neighbours."""

    severity: ClassVar = Severity.ERROR
    loops: tuple[OpenLoop, ...]
    """Those that do not close."""
    offsets: int
    """Verified ones, of which loops are made."""

    @property
    @override
    def holds(self) -> bool:
        return not self.loops

    @property
    @override
    def text(self) -> str:
        return f"{len(self.loops)} loops of neighbouring offsets do not close, of {self.offsets} verified offsets."

    @property
    @override
    def offenders(self) -> tuple[str, ...]:
        return tuple(str(loop) for loop in self.loops)


@dataclass(frozen=True, kw_only=True)
class ShotsPlaced(Finding):
    """Whether every screenshot has a place."""

    severity: ClassVar = Severity.ERROR
    unplaced: tuple[Cell, ...]
    screenshots: int

    @property
    @override
    def holds(self) -> bool:
        return not self.unplaced

    @property
    @override
    def text(self) -> str:
        return f"{len(self.unplaced)} of {self.screenshots} screenshots have no place."

    @property
    @override
    def offenders(self) -> tuple[str, ...]:
        return tuple(str(cell) for cell in self.unplaced)


@dataclass(frozen=True, kw_only=True)
class DecisiveOffsetsKept(Finding):
    """Whether the solve kept every offset beside which the overlap allows no other."""

    severity: ClassVar = Severity.ERROR
    decisive: tuple[DroppedOffset, ...]
    """Of the dropped ones, those whose overlap agrees there alone."""
    dropped: int

    @property
    @override
    def holds(self) -> bool:
        return not self.decisive

    @property
    @override
    def text(self) -> str:
        return f"The solve dropped {self.dropped} verified offsets, {len(self.decisive)} of them decisive."

    @property
    @override
    def offenders(self) -> tuple[str, ...]:
        return tuple(
            f"{drop.pair.reference} - {drop.pair.moving}: off by {drop.residual_px:.1f} px" for drop in self.decisive
        )


@dataclass(frozen=True, kw_only=True)
class Causes:
    """Why screenshots are not anchored: their overlaps with neighbours that gave no offset, by reason."""

    overlaps: Mapping[PairRefusal, int]
    reach_px: int
    """Of the survey: the largest error of a believed position against its neighbour's."""

    @property
    def in_all(self) -> int:
        """How many such overlaps there are, whatever the reason."""
        return sum(self.overlaps.values())

    @property
    def most(self) -> PairRefusal | None:
        """The most frequent reason; the one that is listed first among equals."""
        return max(PairRefusal, key=lambda reason: self.overlaps.get(reason, 0)) if self.in_all else None

    @property
    def text(self) -> str:
        """How often there was which reason, and what helps against the most frequent one; empty for none."""
        if self.most is None:
            return ""
        counts = [f"{count} {_SHOWS[r]}" for r in PairRefusal if (count := self.overlaps.get(r, 0))]
        helps = _HELPS[self.most].format(reach_px=self.reach_px, common_px=2 * self.reach_px + MIN_OVERLAP_PX)
        return f" Of {self.in_all} overlaps of the others without an offset, {', '.join(counts)}. {helps}"


_SHOWS = {
    PairRefusal.LITTLE_OVERLAP: "are next to nothing where the screenshots are believed to lie",
    PairRefusal.PLAIN: "show next to no detail (open water, plain ground)",
    PairRefusal.REPEATED: "fit in several places (repeated structure)",
    PairRefusal.DIFFERENT: "show different things",
}

_HELPS = {
    PairRefusal.LITTLE_OVERLAP: "Take screenshots closer together: neighbours need {common_px} px in common.",
    PairRefusal.PLAIN: "More screenshots between these help (`imageflow survey recapture`), or exact positions.",
    PairRefusal.REPEATED: "More screenshots between these help (`imageflow survey recapture`), or exact positions.",
    PairRefusal.DIFFERENT: "Cover what lies over the map with --mask, let the game stand still, or raise --reach "
    "where positions are more than {reach_px} px off.",
}


@dataclass(frozen=True, kw_only=True)
class MostlyAnchored(Finding):
    """Whether at least `ANCHORED_SHARE` of the screenshots are anchored."""

    severity: ClassVar = Severity.WARN
    unsure: tuple[Placement, ...]
    """Those that are not anchored, least sure first."""
    screenshots: int
    causes: Causes

    @property
    def share(self) -> float:
        """Of anchored screenshots, 0 to 1."""
        return 1 - len(self.unsure) / self.screenshots if self.screenshots else 0.0

    @property
    @override
    def holds(self) -> bool:
        return self.share >= ANCHORED_SHARE

    @property
    @override
    def text(self) -> str:
        anchored = f"{self.share:.0%} of {self.screenshots} screenshots are anchored; {ANCHORED_SHARE:.0%} are wanted."
        return anchored if self.holds else anchored + self.causes.text

    @property
    @override
    def offenders(self) -> tuple[str, ...]:
        return tuple(f"{place.cell}: {place.status}, {place.confidence:.2f} sure" for place in self.unsure)


@dataclass(frozen=True, kw_only=True)
class TiedGroup:
    """Screenshots that verified offsets tie to each other, but not to the map."""

    group: int
    screenshots: int


@dataclass(frozen=True, kw_only=True)
class OneGroup(Finding):
    """Whether verified offsets tie all screenshots that have any into one group."""

    severity: ClassVar = Severity.WARN
    others: tuple[TiedGroup, ...]

    @property
    @override
    def holds(self) -> bool:
        return not self.others

    @property
    @override
    def text(self) -> str:
        return f"{len(self.others)} groups of screenshots are tied to each other but not to the map."

    @property
    @override
    def offenders(self) -> tuple[str, ...]:
        return tuple(f"group {other.group}: {other.screenshots} screenshots" for other in self.others)


@dataclass(frozen=True, kw_only=True)
class PositionsHold(Finding):
    """Whether screenshots lie where they were believed to, within the survey's reach."""

    severity: ClassVar = Severity.WARN
    found: tuple[Placement, ...]
    """Those that the search after the placement anchored, farthest off first."""
    screenshots: int
    reach_px: int
    """Of the survey: the largest error of a believed position against its neighbour's."""

    @property
    def farthest_px(self) -> int:
        """How far off the farthest one was believed to lie, on the longer axis; 0 for none."""
        return max(map(_off_px, self.found), default=0)

    @property
    @override
    def holds(self) -> bool:
        return self.farthest_px <= self.reach_px

    @property
    @override
    def text(self) -> str:
        found = f"{len(self.found)} of {self.screenshots} screenshots were searched for and found"
        if not self.found:
            return f"{found} elsewhere than believed."
        far = (
            f"{found} up to {self.farthest_px} px from where they were believed to lie; {self.reach_px} were expected."
        )
        return far if self.holds else far + _ELSEWHERE_HELPS

    @property
    @override
    def offenders(self) -> tuple[str, ...]:
        return tuple(
            f"{place.cell}: found {off.dx_px}, {off.dy_px} px off" for place in self.found if (off := place.found_off)
        )


_ELSEWHERE_HELPS = (
    " They lie right on the map. Where a game loses key presses, longer pauses help (`scroll.pause_ms`); where the "
    "world ends inside the grid, a smaller grid or another `home`."
)


def _off_px(place: Placement) -> int:
    off = place.found_off
    return 0 if off is None else max(abs(off.dx_px), abs(off.dy_px))


@dataclass(frozen=True, kw_only=True)
class TilesWhole(Finding):
    """Whether every promised tile is stored and can be read."""

    severity: ClassVar = Severity.ERROR
    faults: tuple[str, ...]
    """A tile, and what is wrong with it."""
    promised: int

    @property
    @override
    def holds(self) -> bool:
        return not self.faults

    @property
    @override
    def text(self) -> str:
        return f"{len(self.faults)} of {self.promised} promised tiles are missing or not whole."

    @property
    @override
    def offenders(self) -> tuple[str, ...]:
        return self.faults
