"""From offsets between neighbours to the place of every screenshot: solve, search for what is lost, settle the rest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from imageflow_domain.geometry import Offset, Rect, Size
from imageflow_domain.grid import Cell
from imageflow_domain.placement import PairOffset, Placement, PlacementStatus
from imageflow_domain.ports import Area
from imageflow_mosaic.ambiguity import settle_ambiguous
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.placement import Solution, place
from imageflow_mosaic.search import Reach, Searched, search


@dataclass(frozen=True, kw_only=True)
class PlacedShots:
    """Where all screenshots of a survey lie, in pixels of its plane, and the evidence."""

    solution: Solution
    placements: tuple[Placement, ...]
    """By cell. Those that the search anchored say how far off they were believed to lie."""
    searched: Searched
    """Empty where all screenshots were anchored."""


def place_shots(
    areas: Sequence[Area],
    pairs: Sequence[PairOffset],
    load: Callable[[Cell], Pixels],
    *,
    view: Size,
    masks: Sequence[Rect],
    reach_px: int,
    reach: Reach,
    overlays: Callable[[], Sequence[Rect]],
) -> PlacedShots:
    """Place all screenshots; those that nothing ties to the map are searched for once.

    What the search finds counts as any other offset. Where it shows that nominal positions are farther off than
    `reach_px`, a screenshot that only its pixels and its nominal position place stays ambiguous.

    Args:
        areas: One for each screenshot, with its nominal position.
        pairs: Verified offsets between neighbours.
        load: Reads one, RGB of shape (height, width, 3). Called from two threads, and for few screenshots only.
        view: Size of all screenshots.
        masks: Rectangles of the head-up display.
        reach_px: Largest error of a nominal position against its neighbour's.
        reach: How far from its place a screenshot may lie that nothing ties to the map.
        overlays: Returns what else stands still; called where screenshots are lossy.
    """

    def settled(solution: Solution, *, reach_holds: bool) -> tuple[Placement, ...]:
        return settle_ambiguous(
            solution,
            areas,
            load,
            masks=masks,
            reach_px=reach_px,
            overlays=() if solution.fidelity.is_lossless else overlays(),
            reach_holds=reach_holds,
        )

    solution = place(areas, pairs, reach_px=reach_px)
    placements = settled(solution, reach_holds=True)
    if all(p.status is PlacementStatus.ANCHORED for p in placements):
        return PlacedShots(solution=solution, placements=placements, searched=Searched())
    # what was settled rests on nominal positions, which are in question now
    searched = search(solution.placements, load, view=view, masks=masks, reach=reach)
    known = {(pair.reference, pair.moving) for pair in pairs}
    searched = replace(searched, offsets=tuple(p for p in searched.offsets if (p.reference, p.moving) not in known))
    if not searched.offsets:
        return PlacedShots(solution=solution, placements=placements, searched=searched)
    again = place(areas, [*pairs, *searched.offsets], reach_px=reach_px)
    tied = {p.cell for p in again.placements if p.status is PlacementStatus.ANCHORED}
    found = tied - {p.cell for p in solution.placements if p.status is PlacementStatus.ANCHORED}
    placements = settled(again, reach_holds=not searched.farther_than(reach_px, areas))
    return PlacedShots(solution=again, placements=_corrected(placements, areas, found), searched=searched)


def _corrected(placements: Sequence[Placement], areas: Sequence[Area], found: set[Cell]) -> tuple[Placement, ...]:
    """Add to the found screenshots how far their expected places were off, relative to the others."""
    nominal = {area.cell: area.position for area in areas if area.position is not None}
    off = {
        p.cell: (p.x_px - nominal[p.cell].x_px, p.y_px - nominal[p.cell].y_px) for p in placements if p.cell in nominal
    }
    others = [
        off[p.cell]
        for p in placements
        if p.status is PlacementStatus.ANCHORED and p.cell not in found and p.cell in off
    ]
    common = np.median(np.array(others or list(off.values())).reshape(-1, 2), axis=0)
    return tuple(
        replace(
            p,
            found_off=Offset(
                dx_px=round(off[p.cell][0] - float(common[0])), dy_px=round(off[p.cell][1] - float(common[1]))
            ),
        )
        if p.cell in found and p.cell in off
        else p
        for p in placements
    )
