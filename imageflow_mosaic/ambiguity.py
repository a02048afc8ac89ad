"""Shots that no verified offset ties to the map: which places their pixels allow, and which of these is likeliest.

All anchored neighbours are heard together, pixel by pixel. A place that they allow is as good as any other that they
allow; between these the nominal position decides, by the errors that it was seen to have elsewhere.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from imageflow_domain.geometry import Offset, Rect
from imageflow_domain.grid import Cell
from imageflow_domain.placement import PairOffset, Placement, PlacementStatus
from imageflow_domain.ports import Area
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.evidence import Animation, Shifts, Witness, weigh
from imageflow_mosaic.fingerprint import Fingerprint, fingerprint
from imageflow_mosaic.held import Held
from imageflow_mosaic.loose import settle_loose
from imageflow_mosaic.nominal import NominalErrors, Prior, joined, radius_px
from imageflow_mosaic.placement import Solution
from imageflow_mosaic.registration import differ_everywhere

_NEAR_CELLS = 2
_MOST_WITNESSES = 8

_PAIRS_LEARNT = 6
"""Pairs of anchored shots, all over the survey and again near each loose one, that show what runs in this game."""

_OUTSIDE = 1e-3
"""Probability that is given up to look at fewer places."""

_NOTHING_AGREES = 0.01
"""Confidence where the pixels allow no place at all: the picture may not be of here."""

_PROVEN = 0.999
"""Confidence at which a place that all other places within reach are refuted for counts as anchored."""

Places = dict[Cell, tuple[int, int]]


def settle_ambiguous(
    solution: Solution,
    areas: Sequence[Area],
    load: Callable[[Cell], Pixels],
    *,
    masks: Sequence[Rect],
    reach_px: int,
    overlays: Sequence[Rect] = (),
    reach_holds: bool = True,
) -> tuple[Placement, ...]:
    """Return the solution's placements, those that are not anchored moved to the likeliest place.

    Lossy shots, whose pixels are equal nowhere, are placed by `loose`.

    Confidence is the probability of the place among all that the pixels allow. A shot joins the anchored ones where
    they, pixel by pixel, refute every other place within reach; else it stays `ambiguous`, because what is found then
    rests on where the shot was believed to be.

    Args:
        load: Reads one shot, RGB of shape (height, width, 3). Asked for loose shots and their neighbours only; few are
            held at a time.
        masks: Rectangles of the head-up display.
        reach_px: Largest error of a nominal position.
        overlays: Rectangles of what else stands still while the map moves.
        reach_holds: Whether no nominal position is known to be farther off. Else nothing is refuted by what lies
            within reach, and no shot joins the anchored ones that pixels are equal for.
    """
    anchored = {p.cell: (p.x_px, p.y_px) for p in solution.placements if p.status is PlacementStatus.ANCHORED}
    groups: dict[int, list[Placement]] = {}
    for placement in solution.placements:
        if placement.status is PlacementStatus.AMBIGUOUS:
            groups.setdefault(placement.group, []).append(placement)
    if not groups or not anchored:
        return solution.placements
    pictures = Held(lambda cell: fingerprint(load(cell), masks))
    lossy = set() if solution.fidelity.is_lossless else _lossy_groups(groups, anchored, pictures, solution.kept)
    exact = [group for number, group in groups.items() if number not in lossy]
    placements = solution.placements
    if exact:
        nominal = {area.cell: (area.position.x_px, area.position.y_px) for area in areas if area.position is not None}
        errors = NominalErrors(anchored, nominal, reach_px=reach_px)
        settler = _Settler(anchored, errors, pictures, solution.kept, reach_px, reach_holds=reach_holds)
        settled = settler.settle(sorted(exact, key=_first))
        placements = tuple(settled.get(placement.cell, placement) for placement in placements)
    if not lossy:
        return placements
    rest = replace(solution, placements=placements)
    return settle_loose(rest, areas, load, hidden=(*masks, *overlays), reach_px=reach_px, only=lossy)


def _lossy_groups(
    groups: Mapping[int, Sequence[Placement]], anchored: Places, pictures: Held[Fingerprint], kept: Sequence[PairOffset]
) -> set[int]:
    """Return the groups whose pixels differ everywhere from those of the anchored shots beside them.

    What too little is seen of to tell is taken for what most verified offsets are.
    """
    mostly = 2 * sum(not pair.is_exact for pair in kept) > len(kept)

    def is_lossy(group: Sequence[Placement]) -> bool:
        votes = [
            differs
            for shot in group
            for near in _around(shot.cell)
            if near in anchored
            and (differs := differ_everywhere(pictures.of(near), pictures.of(shot.cell))) is not None
        ]
        return 2 * sum(votes) > len(votes) if votes else mostly

    return {number for number, group in groups.items() if is_lossy(group)}


def _first(group: Sequence[Placement]) -> Cell:
    return min(placement.cell for placement in group)


class _Settler:
    """Finds places for groups of shots that keep their relative positions."""

    def __init__(
        self,
        anchored: Places,
        errors: NominalErrors,
        pictures: Held[Fingerprint],
        kept: Sequence[PairOffset],
        reach_px: int,
        *,
        reach_holds: bool,
    ) -> None:
        self._anchored, self._errors, self._pictures, self._reach_px = dict(anchored), errors, pictures, reach_px
        self._reach_holds = reach_holds
        self._animation = Animation()
        self._pairs: dict[Cell, list[PairOffset]] = {}
        self._learnt: set[PairOffset] = set()
        ours = [pair for pair in kept if pair.reference in anchored]
        for pair in ours:
            self._pairs.setdefault(pair.reference, []).append(pair)
        self._learn(ours[:: max(1, len(ours) // _PAIRS_LEARNT)][:_PAIRS_LEARNT])

    def settle(self, groups: Sequence[Sequence[Placement]]) -> dict[Cell, Placement]:
        """Return all groups' shots, moved.

        Groups beside anchored shots go first, and again once a neighbour has joined those; the others lean on what has
        been settled by then, as far as that is sure.
        """
        settled: dict[Cell, Placement] = {}
        waiting = deque(groups)
        alone: list[Sequence[Placement]] = []
        while waiting:
            group = waiting.popleft()
            witnesses = self._witnesses(group, self._anchored)
            if not witnesses:
                alone.append(group)
                continue
            placed, is_only = self._place(group, witnesses)
            settled |= {p.cell: p for p in placed}
            if is_only and self._reach_holds and self._refutes_the_rest(witnesses):
                placed = [_proven(p) for p in placed]
                settled |= {p.cell: p for p in placed}
                self._anchored |= {p.cell: (p.x_px, p.y_px) for p in placed}
                near = {cell for p in placed for cell in _around(p.cell)}
                again = [other for other in groups if _is_loose(other, settled) and any(p.cell in near for p in other)]
                alone = [other for other in alone if other not in again]
                waiting.extend(other for other in again if other not in waiting)
        for group in alone:
            known = {cell: (p.x_px, p.y_px) for cell, p in settled.items()}
            placed, _ = self._place(group, self._witnesses(group, known))
            leaned = [settled[cell].confidence for p in group for cell in _around(p.cell) if cell in settled]
            settled |= {p.cell: p for p in (self._discounted(group, placed, leaned) if leaned else placed)}
        return settled

    def _place(self, group: Sequence[Placement], witnesses: Sequence[Witness]) -> tuple[list[Placement], bool]:
        """Return the group at its likeliest place, and whether the witnesses allow no other that is likely at all."""
        shifts, prior = _candidates(self._prior(group))
        outside = max(0.0, 1 - float(prior.sum()))
        posterior, is_only = prior, False
        if witnesses:
            evidence = weigh(witnesses, shifts, self._animation)
            if not evidence.allowed.any():
                return [replace(p, confidence=_NOTHING_AGREES) for p in group], False
            posterior = prior * evidence.likelihood
            outside *= float(evidence.allowed.mean())
            is_only = evidence.only is not None
        best = int(np.argmax(posterior))
        sure = float(posterior[best] / (posterior.sum() + outside))
        dx, dy = (int(step) for step in shifts[best])
        return [replace(p, x_px=p.x_px + dx, y_px=p.y_px + dy, confidence=sure) for p in group], is_only

    def _prior(self, group: Sequence[Placement]) -> Prior:
        """Probabilities of the group's shifts, by how far each of its shots is from where it should be."""
        expected = [(p, self._errors.expected(p.cell)) for p in group]
        known = [(p, at) for p, at in expected if at is not None]
        return joined(
            [self._errors.prior(p.cell) for p, _ in known],
            [(round(p.x_px - at[0]), round(p.y_px - at[1])) for p, at in known],
        )

    def _refutes_the_rest(self, witnesses: Sequence[Witness]) -> bool:
        """Whether one place alone is allowed of all within reach, however unlikely."""
        y, x = np.mgrid[-self._reach_px : self._reach_px + 1, -self._reach_px : self._reach_px + 1]
        evidence = weigh(witnesses, np.stack([x.ravel(), y.ravel()], axis=1), self._animation)
        return evidence.only is not None

    def _discounted(
        self, group: Sequence[Placement], placed: Sequence[Placement], leaned: Sequence[float]
    ) -> list[Placement]:
        """A place that rests on others is as sure as these; where they are wrong, as sure as it was believed to be."""
        dx, dy = placed[0].x_px - group[0].x_px, placed[0].y_px - group[0].y_px
        believed, sure = self._prior(group).at(dx, dy), min(leaned)
        return [replace(p, confidence=sure * p.confidence + (1 - sure) * believed) for p in placed]

    def _witnesses(self, group: Sequence[Placement], places: Places) -> list[Witness]:
        """Placed neighbours that overlap the group's shots where these lie now."""
        found: list[Witness] = []
        for placement in group:
            near = [cell for cell in _around(placement.cell) if cell in places]
            if not near:
                continue
            self._learn([pair for cell in near for pair in self._pairs.get(cell, ()) if pair.moving in near])
            shot = self._pictures.of(placement.cell)
            seen = 0
            for cell in near:
                x, y = places[cell]
                offset = Offset(dx_px=placement.x_px - x, dy_px=placement.y_px - y)
                if abs(offset.dx_px) < shot.width_px and abs(offset.dy_px) < shot.height_px and seen < _MOST_WITNESSES:
                    found.append(Witness(placed=self._pictures.of(cell), shot=shot, offset=offset))
                    seen += 1
        return found

    def _learn(self, pairs: Sequence[PairOffset]) -> None:
        for pair in pairs[:_PAIRS_LEARNT]:
            if pair not in self._learnt:
                self._learnt.add(pair)
                self._animation.learn(self._pictures.of(pair.reference), self._pictures.of(pair.moving), pair.offset)


def _proven(placed: Placement) -> Placement:
    confidence = max(placed.confidence, _PROVEN)
    return replace(placed, confidence=confidence, status=PlacementStatus.ANCHORED, group=0)


def _is_loose(group: Sequence[Placement], settled: Mapping[Cell, Placement]) -> bool:
    status = PlacementStatus.ANCHORED
    return all(p.cell not in settled or settled[p.cell].status is not status for p in group)


def _around(cell: Cell) -> list[Cell]:
    """The cells near one, nearest first."""
    reach = range(-_NEAR_CELLS, _NEAR_CELLS + 1)
    near = [(max(abs(row), abs(col)), row, col) for row in reach for col in reach if (row, col) != (0, 0)]
    return [Cell(row=cell.row + row, col=cell.col + col) for _, row, col in sorted(near)]


def _candidates(prior: Prior) -> tuple[Shifts, NDArray[np.float64]]:
    """Shifts worth trying, likeliest first, and their probabilities."""
    reach_x, reach_y = radius_px(prior.x, _OUTSIDE), radius_px(prior.y, _OUTSIDE)
    middle = prior.reach_px
    across = prior.x[middle - reach_x : middle + reach_x + 1]
    down = prior.y[middle - reach_y : middle + reach_y + 1]
    y, x = np.mgrid[-reach_y : reach_y + 1, -reach_x : reach_x + 1]
    probabilities = np.outer(down, across).ravel()
    shifts = np.stack([x.ravel(), y.ravel()], axis=1)
    order = np.lexsort((np.abs(shifts).sum(axis=1), -probabilities))
    return shifts[order], probabilities[order]
