"""Shots that no verified offset ties to the map: which places their pixels allow, and which of these is likeliest.

All anchored neighbours are heard together, pixel by pixel. A place that they allow is as good as any other that they
allow; between these the nominal position decides, by the errors that it was seen to have elsewhere.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from imageflow_domain.geometry import Offset, Rect
from imageflow_domain.grid import Cell
from imageflow_domain.placement import Placement, PlacementStatus
from imageflow_domain.ports import Area
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.evidence import Animation, Shifts, Witness, weigh
from imageflow_mosaic.fingerprint import Fingerprint, fingerprint
from imageflow_mosaic.nominal import NominalErrors, Prior
from imageflow_mosaic.placement import Solution

_NEAR_CELLS = 2
_MOST_WITNESSES = 8
_PICTURES_HELD = 24

_OUTSIDE = 1e-3
"""Probability that is given up to look at fewer places."""

_NOTHING_AGREES = 0.01
"""Confidence where the pixels allow no place at all: the picture may not be of here."""


def settle_ambiguous(
    solution: Solution,
    areas: Sequence[Area],
    load: Callable[[Cell], Pixels],
    *,
    masks: Sequence[Rect],
    reach_px: int,
) -> tuple[Placement, ...]:
    """Return the solution's placements, those that are not anchored moved to the likeliest place.

    Confidence is the probability of the place among all that the pixels allow. Status stays `ambiguous`: whatever is
    found here rests on where the shot was believed to be.

    Args:
        load: Reads one shot, RGB of shape (height, width, 3). Asked for loose shots and their anchored neighbours only,
            row by row; few are held at a time.
        masks: Rectangles of the head-up display.
        reach_px: Largest error of a nominal position.
    """
    anchored = {p.cell: (p.x_px, p.y_px) for p in solution.placements if p.status is PlacementStatus.ANCHORED}
    loose: dict[int, list[Placement]] = {}
    for placement in solution.placements:
        if placement.status is PlacementStatus.AMBIGUOUS:
            loose.setdefault(placement.group, []).append(placement)
    if not loose or not anchored:
        return solution.placements
    nominal = {area.cell: (area.position.x_px, area.position.y_px) for area in areas if area.position is not None}
    settler = _Settler(anchored, NominalErrors(anchored, nominal, reach_px=reach_px), _Pictures(load, masks))
    settled = {p.cell: p for group in sorted(loose.values(), key=_first) for p in settler.settle(group)}
    return tuple(settled.get(placement.cell, placement) for placement in solution.placements)


def _first(group: Sequence[Placement]) -> Cell:
    return min(placement.cell for placement in group)


class _Pictures:
    """The pictures looked at last, ready to be compared."""

    def __init__(self, load: Callable[[Cell], Pixels], masks: Sequence[Rect]) -> None:
        self._load, self._masks = load, masks
        self._held: OrderedDict[Cell, Fingerprint] = OrderedDict()

    def of(self, cell: Cell) -> Fingerprint:
        if cell not in self._held:
            self._held[cell] = fingerprint(self._load(cell), self._masks)
            if len(self._held) > _PICTURES_HELD:
                self._held.popitem(last=False)
        self._held.move_to_end(cell)
        return self._held[cell]


class _Settler:
    """Finds places for groups of shots that keep their relative positions."""

    def __init__(self, anchored: dict[Cell, tuple[int, int]], errors: NominalErrors, pictures: _Pictures) -> None:
        self._anchored, self._errors, self._pictures = anchored, errors, pictures
        self._animation = Animation()

    def settle(self, group: Sequence[Placement]) -> list[Placement]:
        """Return the group's shots, moved together."""
        expected = {p.cell: self._errors.expected(p.cell) for p in group}
        known = [p for p in group if expected[p.cell] is not None]
        if not known:
            return list(group)
        witnesses = [witness for placement in group for witness in self._witnesses(placement)]
        priors = [self._errors.prior(p.cell) for p in known]
        shifts, prior = _candidates(priors)
        if witnesses:
            evidence = weigh(witnesses, shifts, self._animation)
            if not evidence.allowed.any():
                return [replace(p, confidence=_NOTHING_AGREES) for p in group]
            posterior = prior * evidence.likelihood
            outside = max(0.0, 1 - prior.sum()) * float(evidence.allowed.mean())
        else:
            posterior, outside = prior, max(0.0, 1 - prior.sum())
        best = int(np.argmax(posterior))
        sure = float(posterior[best] / (posterior.sum() + outside))
        dx, dy = (int(step) for step in shifts[best])
        return [replace(p, x_px=p.x_px + dx, y_px=p.y_px + dy, confidence=sure) for p in group]

    def _witnesses(self, placement: Placement) -> list[Witness]:
        """Anchored neighbours that overlap the shot where it lies now; on the way, learn what moves between them."""
        row, col = placement.cell.row, placement.cell.col
        near = sorted(
            (
                Cell(row=row + down, col=col + right)
                for down in range(-_NEAR_CELLS, _NEAR_CELLS + 1)
                for right in range(-_NEAR_CELLS, _NEAR_CELLS + 1)
            ),
            key=lambda cell: (max(abs(cell.row - row), abs(cell.col - col)), cell),
        )
        shot = self._pictures.of(placement.cell)
        found: list[tuple[Cell, Witness]] = []
        for cell in near:
            if cell not in self._anchored or len(found) == _MOST_WITNESSES:
                continue
            x, y = self._anchored[cell]
            offset = Offset(dx_px=placement.x_px - x, dy_px=placement.y_px - y)
            if abs(offset.dx_px) < shot.width_px and abs(offset.dy_px) < shot.height_px:
                found.append((cell, Witness(placed=self._pictures.of(cell), shot=shot, offset=offset)))
        for (_, first), (_, second) in pairwise(found):
            self._animation.learn(first.placed, second.placed, first.offset - second.offset)
        return [witness for _, witness in found]


def _candidates(priors: Sequence[Prior]) -> tuple[Shifts, NDArray[np.float64]]:
    """Shifts worth trying, likeliest first, and their probabilities; a group's is its members' in the middle."""
    radii = [prior.radius_px(_OUTSIDE) for prior in priors]
    reach_x, reach_y = max(x for x, _ in radii), max(y for _, y in radii)
    axes = []
    for reach, tables in ((reach_x, [p.x for p in priors]), (reach_y, [p.y for p in priors])):
        middle = tables[0].size // 2
        joint = np.exp(np.mean([np.log(table) for table in tables], axis=0))
        axes.append(joint[middle - reach : middle + reach + 1] / max(1.0, joint.sum()))
    y, x = np.mgrid[-reach_y : reach_y + 1, -reach_x : reach_x + 1]
    probabilities = np.outer(axes[1], axes[0]).ravel()
    shifts = np.stack([x.ravel(), y.ravel()], axis=1)
    order = np.lexsort((np.abs(shifts).sum(axis=1), -probabilities))
    return shifts[order], probabilities[order]
