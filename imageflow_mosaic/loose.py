"""Lossy screenshots that no verified offset ties to the map: placed by all their neighbours together, or left alone.

Where the content of all anchored neighbours together agrees on one place within reach, the screenshot is anchored.
Where it does not, the screenshot stays where dead reckoning has it: a guess is never worse than that.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from math import erf, hypot, sqrt

import numpy as np

from imageflow_domain.geometry import Offset, Rect
from imageflow_domain.grid import Cell
from imageflow_domain.placement import Placement, PlacementStatus
from imageflow_domain.ports import Area
from imageflow_mosaic.by_content import ContentMatch, register_by_content
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.content import Content, Pairing, content_of
from imageflow_mosaic.drift import Predicted, predict
from imageflow_mosaic.held import Held
from imageflow_mosaic.placement import ROUNDING_PX, Solution

_NEAR_CELLS = 1

_JOINED = 0.995
"""Confidence of a screenshot that its neighbours place together: no loop of offsets has confirmed it."""

Group = Sequence[Placement]


def settle_loose(
    solution: Solution,
    areas: Sequence[Area],
    load: Callable[[Cell], Pixels],
    *,
    hidden: Sequence[Rect],
    reach_px: int,
    only: Container[int],
) -> tuple[Placement, ...]:
    """Return the solution's placements, those that are not anchored placed by content or by dead reckoning.

    Confidence of a predicted place is the probability that it is within a pixel, or exact where screenshots lie at
    whole pixels.

    Args:
        load: Reads one screenshot, RGB of shape (height, width, 3). Called for loose ones and their neighbours only.
        hidden: Rectangles of every screenshot that show no map.
        reach_px: Largest error of a nominal position against its neighbour's.
        only: Numbers of the groups that are placed; the others stay.
    """
    placed = {p.cell: p for p in solution.placements if p.status is PlacementStatus.ANCHORED}
    groups: dict[int, list[Placement]] = {}
    for placement in solution.placements:
        if placement.status is PlacementStatus.AMBIGUOUS and placement.group in only:
            groups.setdefault(placement.group, []).append(placement)
    if not groups or not placed:
        return solution.placements
    nominal = {area.cell: (area.position.x_px, area.position.y_px) for area in areas if area.position is not None}
    settler = _Settler(
        placed,
        nominal,
        Held(lambda cell: content_of(load(cell), hidden)),
        reach_px,
        whole=solution.fidelity.whole_pixels,
    )
    settled = settler.settle(sorted(groups.values(), key=lambda group: group[0].cell))
    return tuple(settled.get(placement.cell, placement) for placement in solution.placements)


class _Settler:
    """Finds places for groups of screenshots that keep their relative positions."""

    def __init__(
        self,
        placed: Mapping[Cell, Placement],
        nominal: Mapping[Cell, tuple[float, float]],
        contents: Held[Content],
        reach_px: int,
        *,
        whole: bool,
    ) -> None:
        self._placed, self._nominal = dict(placed), nominal
        self._contents, self._reach_px, self._whole = contents, reach_px, whole

    def settle(self, groups: Sequence[Group]) -> dict[Cell, Placement]:
        """Return all groups' screenshots: joined to the map as long as any can be, the others as predicted."""
        left, joined_any = list(groups), True
        settled: dict[Cell, Placement] = {}
        changed: set[Cell] | None = None
        while left and joined_any:
            joined_any, waiting, now = False, [], set[Cell]()
            predicted = self._predicted()
            for group in left:
                joined = self._joined(group, predicted) if changed is None or _touches(group, changed) else None
                if joined is None:
                    waiting.append(group)
                    continue
                joined_any = True
                now |= {p.cell for p in joined}
                self._placed |= {p.cell: p for p in joined}
                settled |= {p.cell: p for p in joined}
            left, changed = waiting, now
        predicted = self._predicted()
        for group in left:
            settled |= {p.cell: p for p in _as_predicted(group, predicted, whole=self._whole)}
        return settled

    def _predicted(self) -> dict[Cell, Predicted]:
        return predict({cell: (float(p.x_px), float(p.y_px)) for cell, p in self._placed.items()}, self._nominal)

    def _joined(self, group: Group, predicted: Mapping[Cell, Predicted]) -> list[Placement] | None:
        """Return the group where all anchored neighbours together see it; `None` where they see it nowhere for sure."""
        moved = _as_predicted(group, predicted, whole=self._whole)
        pairings, witnesses = self._pairings(moved)
        match = register_by_content(pairings, self._reach_px) if pairings else None
        return _at(moved, match, max(w.sigma_px for w in witnesses)) if isinstance(match, ContentMatch) else None

    def _pairings(self, group: Group) -> tuple[list[Pairing], list[Placement]]:
        pairings, witnesses = [], []
        for placement in group:
            moving = self._contents.of(placement.cell)
            for near in _around(placement.cell):
                witness = self._placed.get(near)
                if witness is None:
                    continue
                expected = Offset(dx_px=placement.x_px - witness.x_px, dy_px=placement.y_px - witness.y_px)
                pairings.append(Pairing(reference=self._contents.of(near), moving=moving, expected=expected))
                witnesses.append(witness)
        return pairings, witnesses


def _at(group: Group, match: ContentMatch, sigma_px: float) -> list[Placement]:
    dx, dy = round(match.shift.dx_px + match.dx_px), round(match.shift.dy_px + match.dy_px)
    return [
        replace(
            p,
            x_px=p.x_px + dx,
            y_px=p.y_px + dy,
            confidence=_JOINED,
            status=PlacementStatus.ANCHORED,
            group=0,
            sigma_px=hypot(sigma_px, match.sigma_px),
        )
        for p in group
    ]


def _as_predicted(group: Group, predicted: Mapping[Cell, Predicted], *, whole: bool) -> list[Placement]:
    """Return a group where dead reckoning has it, each screenshot as far as it is sure; unmoved where it has none.

    Args:
        whole: Screenshots lie at whole pixels: a place is right within half a pixel, else within one pixel.
    """
    known = [(p, predicted[p.cell]) for p in group if p.cell in predicted]
    if not known:
        return list(group)
    sigmas = np.array([(at.sigma_x_px, at.sigma_y_px) for _, at in known])
    off = np.array([(at.x_px - p.x_px, at.y_px - p.y_px) for p, at in known])
    dx, dy = np.average(off, axis=0, weights=sigmas**-2).round().astype(int).tolist()
    # Errors of neighbours are shared: several predictions are no surer than the surest one.
    surest = sigmas.min(axis=0)
    sure = float(np.prod([_within(sigma_px, whole=whole) for sigma_px in surest]))
    sigma_px = float(surest.max())
    return [replace(p, x_px=p.x_px + dx, y_px=p.y_px + dy, confidence=sure, sigma_px=sigma_px) for p in group]


def _within(sigma_px: float, *, whole: bool) -> float:
    """Return the probability that a place on one axis is right."""
    if whole:
        return erf(0.5 / (sigma_px * sqrt(2)))
    return erf(1.0 / (hypot(sigma_px, ROUNDING_PX) * sqrt(2)))


def _touches(group: Group, cells: set[Cell]) -> bool:
    return any(near in cells for p in group for near in _around(p.cell))


def _around(cell: Cell) -> list[Cell]:
    reach = range(-_NEAR_CELLS, _NEAR_CELLS + 1)
    return [Cell(row=cell.row + row, col=cell.col + col) for row in reach for col in reach if (row, col) != (0, 0)]
