"""Screenshots that nothing ties to the map where they are believed to lie: searched for farther away.

A key press that a game lost, or the edge of the world, moves all screenshots after it by hundreds of pixels. They are
then found as pictures in no order are: patches, or resemblance where pixels differ everywhere, propose how they lie to
the anchored screenshots and to one another; registration verifies it; and a tie is believed where other screenshots
that would then overlap agree. Anchored screenshots stay where they are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from imageflow_domain.capture import EXACT, Uncertainty
from imageflow_domain.geometry import Offset, Rect, Size
from imageflow_domain.grid import Cell
from imageflow_domain.placement import PairOffset, Placement, PlacementStatus
from imageflow_domain.ports import Area
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.comparison import Overlays, Pictures, verified
from imageflow_mosaic.fingerprint import COARSE
from imageflow_mosaic.foreign import foreign_pairs
from imageflow_mosaic.looks import Look, distinguished, look_at
from imageflow_mosaic.plane import Plane
from imageflow_mosaic.registration import MIN_VOTES
from imageflow_mosaic.resemblance import Pairs
from imageflow_mosaic.sketch import Proposal, propose
from imageflow_mosaic.witnesses import NEAR_PX, ContentTies, hearing_by_patches

MOST_SOUGHT = 250
"""Screenshots that are searched for; those nearest to the map go first, as they tie the others to it."""

_MOST_BESIDE = 500
"""Anchored screenshots that they are compared with, the nearest ones."""

_SLACK_PX = 2
"""How far around an offset that patches propose the verification looks."""

_THREADS = 2

Reach = Callable[[Cell], Uncertainty]
"""How far from where it is placed a screenshot may lie."""


@dataclass(frozen=True, kw_only=True)
class Searched:
    """What came of a search."""

    offsets: tuple[PairOffset, ...] = ()
    """Verified ones that were found, each to or from a screenshot that was searched for; by their cells."""
    sought: tuple[Cell, ...] = ()
    """The screenshots that were searched for, by cell."""
    left_out: int = 0
    """Screenshots that are not anchored and were not searched for: there were too many."""

    def farther_than(self, reach_px: int, areas: Sequence[Area]) -> bool:
        """Whether some of the offsets say that nominal positions are farther off than was thought.

        Args:
            reach_px: The largest error of a nominal position against its neighbour's that was thought possible.
            areas: Have the nominal positions.
        """
        at = {area.cell: area.position for area in areas if area.position is not None}
        return any(
            max(
                abs(pair.dx_px - (at[pair.moving].x_px - at[pair.reference].x_px)),
                abs(pair.dy_px - (at[pair.moving].y_px - at[pair.reference].y_px)),
            )
            > reach_px
            for pair in self.offsets
            if pair.moving in at and pair.reference in at
        )


def search(
    places: Sequence[Placement],
    load: Callable[[Cell], Pixels],
    *,
    view: Size,
    masks: Sequence[Rect],
    reach: Reach,
) -> Searched:
    """Find verified offsets of the screenshots that are not anchored, to anchored ones and to one another.

    Nothing is read where all screenshots are anchored.

    Args:
        places: Of all screenshots, in one plane. Groups are held as they are: only how they lie to one another is
            found.
        load: Reads one, RGB of shape (height, width, 3). Called from two threads.
        view: Size of all screenshots.
        masks: Rectangles of the head-up display in every one.
        reach: How far a screenshot that is not anchored may lie from its place.
    """
    loose = [place for place in places if place.status is PlacementStatus.AMBIGUOUS]
    anchored = [place for place in places if place.status is PlacementStatus.ANCHORED]
    if not loose:
        return Searched()
    chosen = sorted(_nearest(loose, anchored)[:MOST_SOUGHT], key=_cell)
    with ThreadPoolExecutor(_THREADS) as threads:
        looks = _looked(chosen, load, masks, threads)
        distinctive = [place for place in chosen if not _is_plain(looks[place.cell])]
        beside = _beside(distinctive, anchored, view, reach) if distinctive else []
        looks |= _looked(beside, load, masks, threads)
        pictures = _Gathered(sorted([*distinctive, *beside], key=_cell), looks, view, reach)
        offsets = pictures.ties(load, masks, threads) if len(pictures.places) > 1 else ()
    return Searched(offsets=offsets, sought=tuple(place.cell for place in chosen), left_out=len(loose) - len(chosen))


def _cell(place: Placement) -> Cell:
    return place.cell


def _is_plain(look: Look) -> bool:
    """Whether a picture shows too little to be found: open water, snow."""
    return max(look.sketch.hashes.size, look.sketch.rare.hashes.size) < MIN_VOTES[COARSE]


def _looked(
    places: Sequence[Placement], load: Callable[[Cell], Pixels], masks: Sequence[Rect], threads: Executor
) -> dict[Cell, Look]:
    cells = [place.cell for place in places]
    return dict(zip(cells, threads.map(lambda cell: look_at(load(cell), masks), cells), strict=True))


def _corners(places: Sequence[Placement]) -> NDArray[np.int64]:
    return np.array([(place.x_px, place.y_px) for place in places], np.int64).reshape(-1, 2)


def _nearest(some: Sequence[Placement], others: Sequence[Placement]) -> list[Placement]:
    """Sort placements by how near to some of the others they lie; by cell where there are no others."""
    if not others:
        return sorted(some, key=_cell)
    there = _corners(others)
    apart = [int(np.abs(there - corner).max(axis=1).min()) for corner in _corners(some)]
    return [place for _, place in sorted(zip(apart, some, strict=True), key=lambda pair: (pair[0], pair[1].cell))]


def _beside(sought: Sequence[Placement], anchored: Sequence[Placement], view: Size, reach: Reach) -> list[Placement]:
    """Return the anchored screenshots that one of the sought may overlap, the nearest ones."""
    corners = _corners(anchored)
    near = np.zeros(len(anchored), np.bool_)
    for place, corner in zip(sought, _corners(sought), strict=True):
        unsure = reach(place.cell)
        within = np.array([unsure.x_px + view.width_px, unsure.y_px + view.height_px])
        near |= (np.abs(corners - corner) < within).all(axis=1)
    found = [place for place, is_near in zip(anchored, near.tolist(), strict=True) if is_near]
    return _nearest(found, sought)[:_MOST_BESIDE]


class _Gathered:
    """The screenshots that are compared, by number: those that are searched for, and anchored ones near them."""

    def __init__(self, places: Sequence[Placement], looks: Mapping[Cell, Look], view: Size, reach: Reach) -> None:
        self.places = places
        self._looks = [looks[place.cell] for place in places]
        self._view = view
        self._groups = np.array([place.group for place in places], np.int64)
        loose = [place.status is PlacementStatus.AMBIGUOUS for place in places]
        self._reaches = [
            reach(place.cell) if is_loose else EXACT for place, is_loose in zip(places, loose, strict=True)
        ]

    def ties(self, load: Callable[[Cell], Pixels], masks: Sequence[Rect], threads: Executor) -> tuple[PairOffset, ...]:
        """Return the verified offsets that are believed."""
        count = len(self.places)
        by_name = {str(place.cell): place.cell for place in self.places}
        names = list(by_name)

        def read(name: str) -> Pixels:
            return load(by_name[name])

        overlays = Overlays(names, [self._view] * count, read, masks)
        pictures = Pictures(names, read, masks, overlays)
        proposals = [p for p in propose([look.sketch for look in self._looks]) if self._is_wanted(p)]
        matches = verified(proposals, count, pictures, _SLACK_PX, _no_progress)
        apart = distinguished(list(matches), self._looks)
        exact = hearing_by_patches([look.sketch for look in self._looks], masks)
        plane = self._plane()
        refused = plane.join([*apart.overlaps, *apart.doubles], exact)
        foreign = self._foreign(plane)
        if foreign.any():
            known = [*apart.overlaps, *apart.doubles]
            content = ContentTies(self._looks, foreign, pictures, known, threads, _no_progress, self._is_wanted)
            matches |= content.matches
            plane.join([*content.overlaps, *content.doubles], content.hearing)
            plane.join(refused, replace(exact, slack_px=NEAR_PX))
        found = [matches[tie].between(self.places[tie.first].cell, self.places[tie.second].cell) for tie in plane.ties]
        found.sort(key=lambda pair: (pair.reference, pair.moving))
        return tuple(replace(pair, was_searched=True) for pair in found)

    def _is_wanted(self, proposal: Proposal) -> bool:
        """Whether two screenshots of different groups may lie to one another as is proposed."""
        first, second = proposal.first, proposal.second
        if self._groups[first] == self._groups[second]:
            return False
        here, there = self.places[first], self.places[second]
        off_x = abs(proposal.offset.dx_px - (there.x_px - here.x_px))
        off_y = abs(proposal.offset.dy_px - (there.y_px - here.y_px))
        unsure = self._reaches[first] + self._reaches[second]
        return off_x <= unsure.x_px and off_y <= unsure.y_px

    def _plane(self) -> Plane:
        """Return a plane in which each group lies as it is known to."""
        plane = Plane([self._view] * len(self.places))
        for members in self._members():
            plane.hold(members, [Offset(dx_px=self.places[n].x_px, dy_px=self.places[n].y_px) for n in members])
        return plane

    def _members(self) -> Iterator[list[int]]:
        for group in np.unique(self._groups):
            yield np.flatnonzero(self._groups == group).tolist()

    def _foreign(self, plane: Plane) -> Pairs:
        """Return which pairs of different groups may overlap and may be told by their content alone."""
        group = np.array([plane.group(number) for number in range(len(self.places))])
        if np.unique(group).size == 1:
            return np.zeros((len(self.places),) * 2, np.bool_)
        corners, reaches = _corners(self.places), np.array([(one.x_px, one.y_px) for one in self._reaches])
        apart = np.abs(corners[:, None] - corners[None])
        view = np.array([self._view.width_px, self._view.height_px])
        # pictures that overlap have patches in common even where they were compressed
        known = np.argwhere((apart < view).all(axis=2) & (self._groups[:, None] == self._groups[None, :]))
        foreign = foreign_pairs(
            [look.distinctive for look in self._looks],
            [look.has_palette for look in self._looks],
            [(first, second) for first, second in known.tolist() if first < second],
        )
        foreign &= (apart - reaches[:, None] - reaches[None] < view).all(axis=2)
        foreign &= group[:, None] != group[None, :]
        return foreign


def _no_progress(what: str, done: int, total: int) -> None:
    """Nobody listens."""
