"""How accurate the positions of a real game's screenshots are. True positions are not known: pixels are compared.

The same screenshots are arranged in no order, without any position that a driver reported, and neighbours are compared
where they overlap.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from imageflow_domain.capture import Turn
from imageflow_domain.geometry import Offset, Rect
from imageflow_domain.grid import Cell
from imageflow_domain.placement import Placement
from imageflow_domain.survey import Survey
from imageflow_mosaic.arrangement import arrange
from imageflow_surveys.shots import Shots, shot_rect

_LEAST_PX = 32
"""Shorter side of an overlap whose pixels are compared."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Positions of screenshots beside those of an arrangement."""

    wrong: int
    """Screenshots that lie elsewhere than the arrangement has them beside most of their group."""
    unconfirmed: int
    """Screenshots that the arrangement does not place."""


def compare(shots: Shots, survey: Survey, places: Mapping[Cell, Placement], turn: Turn) -> Compared:
    """Compare placed screenshots with an arrangement of the same screenshots in no order.

    Args:
        turn: Of the world: an arrangement cannot distinguish places that lie a whole turn from one another.
    """
    cells = {str(cell): cell for cell in places}
    arrangement = arrange(tuple(cells), lambda name: shots.load(cells[name]), survey.spec.masks)
    wrong, confirmed = 0, 0
    for group in arrangement.groups:
        shifts = [
            Offset(
                dx_px=_within(places[cells[one.name]].x_px - round(one.position.x_px), turn.x_px),
                dy_px=_within(places[cells[one.name]].y_px - round(one.position.y_px), turn.y_px),
            )
            for one in group.pictures
        ]
        wrong += len(shifts) - Counter(shifts).most_common(1)[0][1]
        confirmed += len(shifts)
    return Compared(wrong=wrong, unconfirmed=len(places) - confirmed)


def _within(distance_px: int, turn_px: float | None) -> int:
    return distance_px if turn_px is None else distance_px % round(turn_px)


def equal_shares(shots: Shots, survey: Survey, places: Mapping[Cell, Placement]) -> tuple[float, ...]:
    """Return for each pair of screenshots that overlap the share of pixels that are equal there, 0 to 1."""
    frames = {cell: shots.load(cell) for cell in places}
    rects = {cell: shot_rect(survey.view, place) for cell, place in places.items()}
    shares = []
    for one, other in combinations(sorted(places), 2):
        common = rects[one].intersection(rects[other])
        if common is None or min(common.width_px, common.height_px) < _LEAST_PX:
            continue
        first, second = (frames[cell][_inside(rects[cell], common)] for cell in (one, other))
        shares.append(float((first == second).all(axis=2).mean()))
    return tuple(shares)


def _inside(frame: Rect, part: Rect) -> tuple[slice, slice]:
    top, left = part.y_px - frame.y_px, part.x_px - frame.x_px
    return np.s_[top : top + part.height_px, left : left + part.width_px]
