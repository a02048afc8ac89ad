"""Which squares of the frame each block commands. Every square belongs to exactly one block."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import median

from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Block
from imageflow_domain.ports import Area
from imageflow_domain.survey import Survey
from imageflow_domain.tiles import SQUARE_PX


@dataclass(frozen=True, kw_only=True)
class Command:
    """Where the block rows and columns of a survey begin, in pixels of its frame."""

    lefts: Mapping[int, int]
    tops: Mapping[int, int]
    bounds: Rect
    """Of the mosaic."""

    def squares(self, block: Block) -> tuple[Rect, ...]:
        """Return the squares that a block commands and that the mosaic touches, row by row."""
        columns = _span(self.lefts, block.col, self.bounds.x_px, self.bounds.right_px)
        rows = _span(self.tops, block.row, self.bounds.y_px, self.bounds.bottom_px)
        return tuple(Rect(x_px=x, y_px=y, width_px=SQUARE_PX, height_px=SQUARE_PX) for y in rows for x in columns)


def command_of(survey: Survey, areas: Sequence[Area]) -> Command:
    """Return what the blocks of a placed survey command.

    A border between two blocks lies where the first areas of the second one are commanded, snapped to squares; the
    outermost blocks reach to the mosaic's edge.

    Args:
        areas: All areas of the survey, in the driver's plane.
    """
    side = survey.block_side
    shift, bounds = survey.placed().shift, survey.placed().bounds
    return Command(
        lefts=_borders([(a.cell.col, a.position.x_px + shift.dx_px) for a in areas if a.position], side),
        tops=_borders([(a.cell.row, a.position.y_px + shift.dy_px) for a in areas if a.position], side),
        bounds=bounds,
    )


def squares_of(survey: Survey, areas: Sequence[Area], block: Block) -> tuple[Rect, ...]:
    """Return the squares that one block commands; `areas` as in `command_of`."""
    return command_of(survey, areas).squares(block)


def _borders(commanded: Sequence[tuple[int, float]], side: int) -> dict[int, int]:
    """Return for each block row or column the snapped pixel at which it begins, never before the one ahead of it.

    Args:
        commanded: Row or column of each area, and the pixel that it is commanded to.
    """
    firsts: dict[int, dict[int, list[float]]] = {}
    for line, pixel in commanded:
        firsts.setdefault(line // side, {}).setdefault(line, []).append(pixel)
    order = sorted(firsts)
    begins = (median(firsts[index][min(firsts[index])]) for index in order)
    snapped = accumulate((round(begin / SQUARE_PX) * SQUARE_PX for begin in begins), max)
    return dict(zip(order, snapped, strict=True))


def _span(borders: Mapping[int, int], index: int, first_px: int, last_px: int) -> range:
    """Return the squares' first pixels of one block row or column, clipped to the mosaic."""
    if index not in borders:
        return range(0)
    order = sorted(borders)
    at = order.index(index)
    begin = first_px // SQUARE_PX * SQUARE_PX if at == 0 else borders[index]
    end = last_px if at == len(order) - 1 else borders[order[at + 1]]
    return range(max(begin, first_px // SQUARE_PX * SQUARE_PX), min(end, last_px), SQUARE_PX)
