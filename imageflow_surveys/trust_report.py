"""How far a placed survey can be trusted, in numbers and by its worst screenshots: what the trust page shows."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imageflow_clients.database.maps import placements, screenshots
from imageflow_clients.stores import Stores
from imageflow_domain.geometry import Rect, Size
from imageflow_domain.grid import Cell
from imageflow_domain.placement import PairOffset, Placement, PlacementStatus
from imageflow_domain.survey import Fidelity, Survey
from imageflow_mosaic.loops import CLOSED_PX, walk
from imageflow_surveys import states
from imageflow_surveys.findings import (
    DecisiveOffsetsKept,
    LoopsClose,
    MostlyAnchored,
    OneGroup,
    PositionsHold,
    ShotsPlaced,
)
from imageflow_surveys.shots import shot_rect
from imageflow_surveys.trust import (
    judge_anchored,
    judge_dropped,
    judge_groups,
    judge_loops,
    judge_placed,
    judge_positions,
)
from imageflow_surveys.ttl_cache import TtlCache

ReportedFinding = LoopsClose | ShotsPlaced | DecisiveOffsetsKept | MostlyAnchored | OneGroup | PositionsHold

WORST = 12
"""Screenshots that are shown."""

_KEPT, _KEPT_S = 50, 3600.0
"""How many reports are kept, and for how long: this only bounds what memory holds."""

_MISCLOSURES_PX = (1, 2, 3, 6, 11, 21)
_AGREEMENTS = (0.0, 0.9, 0.94, 0.96, 0.98, 0.985, 0.99, 0.995, 0.999, 1.0)


@dataclass(frozen=True, kw_only=True)
class Bin:
    """One bar of a distribution."""

    at_least: float
    below: float | None
    """Exclusive; `None` for no bound."""
    count: int


@dataclass(frozen=True, kw_only=True)
class Seam:
    """Where a screenshot and a neighbour show the same place."""

    other: Cell
    pair: PairOffset | None
    """`None` where no offset between the two was verified."""
    size: Size
    kept: bool
    """Whether both pictures are stored."""


@dataclass(frozen=True, kw_only=True)
class WorstShot:
    """A screenshot that is least surely placed."""

    placement: Placement
    weakest: PairOffset | None
    """Of its verified offsets."""
    seam: Seam | None
    """The weakest one; of a screenshot without verified offsets the largest; `None` where it overlaps nobody."""


@dataclass(frozen=True, kw_only=True)
class TrustReport:
    """What can be said for and against a survey."""

    count: Mapping[PlacementStatus, int]
    fidelity: Fidelity
    largest_sigma_px: float
    """Of the anchored screenshots' standard errors against the survey's middle."""
    overlays: tuple[Rect, ...]
    """What stands still in every screenshot while the map moves; only looked for where screenshots are lossy."""
    findings: tuple[ReportedFinding, ...]
    loops_closed: int
    loops_open: int
    misclosures: tuple[Bin, ...]
    """Open loops, by the longer axis of what they add up to, in pixels."""
    offsets: int
    decisive: int
    dropped: int
    agreements: tuple[Bin, ...]
    mean_agreement: float | None
    worst_agreement: float | None
    worst: tuple[WorstShot, ...]


def trust_report(stores: Stores, survey: Survey) -> TrustReport:
    """Look at every placement and every verified offset of a survey; raise `NotReady` before it is placed."""
    survey.placed()
    with stores.database.begin() as connection:
        places = placements.placements(connection, survey.id)
        pairs = placements.offsets(connection, survey.id)
        dropped = placements.dropped(connection, survey.id)
        refused = placements.refused(connection, survey.id)
        stored = screenshots.stored(connection, survey.id)
    every = np.concatenate([loops.off_px for loops in walk(pairs)] or [np.zeros(0)])
    is_open = every > CLOSED_PX
    agreements = np.array([pair.agreement for pair in pairs])
    return TrustReport(
        count={status: sum(place.status is status for place in places) for status in PlacementStatus},
        fidelity=survey.placed().fidelity,
        largest_sigma_px=max((p.sigma_px for p in places if p.status is PlacementStatus.ANCHORED), default=0.0),
        overlays=survey.overlays or (),
        findings=(
            judge_loops(pairs),
            judge_placed(stored, places),
            judge_dropped(dropped),
            judge_anchored(places, refused, survey.reach_px),
            judge_groups(places),
            judge_positions(places, survey.reach_px),
        ),
        loops_closed=int((~is_open).sum()),
        loops_open=int(is_open.sum()),
        misclosures=histogram(every[is_open].round(), _MISCLOSURES_PX),
        offsets=len(pairs),
        decisive=sum(pair.decisive for pair in pairs),
        dropped=len(dropped),
        agreements=histogram(agreements, _AGREEMENTS),
        mean_agreement=float(agreements.mean()) if agreements.size else None,
        worst_agreement=float(agreements.min()) if agreements.size else None,
        worst=worst_shots(survey, places, pairs, frozenset(stored)),
    )


@dataclass(frozen=True, kw_only=True)
class ReportedSurvey:
    """A survey, and what can be said for and against it."""

    survey: Survey
    report: TrustReport


class TrustReports:
    """Reports of surveys, each made once: what a report says of one placement stays true."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._kept: TtlCache[Hashable, TrustReport] = TtlCache(ttl_s=_KEPT_S, size=_KEPT)

    def of(self, survey_id: str) -> ReportedSurvey:
        """Return a survey with its report; raise `NotFound`, and `NotReady` before it is placed."""
        survey = states.read(self._stores, survey_id)
        key = (survey.id, survey.placed().placement, survey.finished_at)
        return ReportedSurvey(survey=survey, report=self._kept.get(key, lambda: trust_report(self._stores, survey)))


def worst_shots(
    survey: Survey, places: Sequence[Placement], pairs: Sequence[PairOffset], stored: frozenset[Cell]
) -> tuple[WorstShot, ...]:
    """Return the screenshots that are least sure, and of equally sure ones those with the weakest seams."""
    weakest: dict[Cell, PairOffset] = {}
    for pair in pairs:
        for cell in (pair.reference, pair.moving):
            if cell not in weakest or pair.agreement < weakest[cell].agreement:
                weakest[cell] = pair

    def trust(place: Placement) -> tuple[float, float, Cell]:
        weak = weakest.get(place.cell)
        return place.confidence, weak.agreement if weak else 0.0, place.cell

    by_cell = {place.cell: place for place in places}
    return tuple(
        WorstShot(
            placement=place,
            weakest=weakest.get(place.cell),
            seam=_seam(survey, place, by_cell, weakest.get(place.cell), stored),
        )
        for place in sorted(places, key=trust)[:WORST]
    )


def _seam(
    survey: Survey,
    place: Placement,
    places: Mapping[Cell, Placement],
    weakest: PairOffset | None,
    stored: frozenset[Cell],
) -> Seam | None:
    if weakest is not None:
        others = [weakest.moving if weakest.reference == place.cell else weakest.reference]
    else:
        near = (-1, 0, 1)
        others = [Cell(row=place.cell.row + row, col=place.cell.col + col) for row in near for col in near]
    mine = shot_rect(survey.view, place)
    overlaps = [
        (both.width_px * both.height_px, other, Size(width_px=both.width_px, height_px=both.height_px))
        for other in others
        if other != place.cell
        and other in places
        and (both := mine.intersection(shot_rect(survey.view, places[other]))) is not None
    ]
    if not overlaps:
        return None
    _, other, size = max(overlaps, key=lambda found: (found[0], found[1]))
    return Seam(other=other, pair=weakest, size=size, kept={place.cell, other} <= stored)


def histogram(values: NDArray[np.number], edges: Sequence[float]) -> tuple[Bin, ...]:
    """Count values from each edge up to the next; from the last one up without bound."""
    ends: list[float | None] = [*edges[1:], None]
    return tuple(
        Bin(
            at_least=start,
            below=end,
            count=int(((values >= start) & (values < (np.inf if end is None else end))).sum()),
        )
        for start, end in zip(edges, ends, strict=True)
    )
