"""The grid's step, from neighbouring pictures whose positions nobody knows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Offset
from imageflow_domain.grid import FORWARD, Cell
from imageflow_mosaic.fingerprint import Fingerprint
from imageflow_mosaic.registration import register


@dataclass(frozen=True, kw_only=True)
class FrameStep:
    """Pixels from a picture's top left corner to its right and to its lower neighbour's."""

    right: Offset
    down: Offset


def estimate_step(frames: Mapping[Cell, Fingerprint]) -> FrameStep:
    """Return the step of a grid of pictures whose neighbours overlap.

    Every neighbouring pair is registered anywhere within the whole frame; steps are the middle of what was found, and
    diagonal pairs stand in where one direction has none. Of a single row or column the other step is the frame's size.

    Raises:
        InvalidInput: Where no neighbouring pictures are given, or none of a direction can be registered.
    """
    found = {step: _found(frames, *step) for step in FORWARD}
    right, lower_left, lower, lower_right = found.values()
    if not right:
        right = _joined(lower_right, lower, sign=-1) or _joined(lower, lower_left, sign=-1)
    if not lower:
        lower = _joined(lower_right, right, sign=-1) or _joined(lower_left, right, sign=1)
    rows, cols = {cell.row for cell in frames}, {cell.col for cell in frames}
    size = max(frames.values(), key=lambda frame: frame.width_px * frame.height_px, default=None)
    if size is None or len(frames) < 2:
        raise InvalidInput("The step cannot be estimated from fewer than two pictures: pass it with --step X,Y.")
    if not right and len(cols) == 1:
        right = [Offset(dx_px=size.width_px, dy_px=0)]
    if not lower and len(rows) == 1:
        lower = [Offset(dx_px=0, dy_px=size.height_px)]
    if not right or not lower:
        missing = " and ".join(
            name for name, known in (("side by side", right), ("one above the other", lower)) if not known
        )
        raise InvalidInput(
            f"No two pictures {missing} show enough of the same place to estimate the step: pass it with --step X,Y."
        )
    return FrameStep(right=_middle(right), down=_middle(lower))


def _found(frames: Mapping[Cell, Fingerprint], rows: int, cols: int) -> list[Offset]:
    """Verified offsets of all pairs in one direction of the grid that point there."""
    found = []
    for cell, reference in sorted(frames.items()):
        moving = frames.get(Cell(row=cell.row + rows, col=cell.col + cols))
        if moving is None:
            continue
        reach_px = max(reference.width_px, reference.height_px)
        match = register(reference, moving, Offset(dx_px=0, dy_px=0), reach_px)
        if match is not None and _points(match.offset, rows, cols):
            found.append(match.offset)
    return found


def _points(offset: Offset, rows: int, cols: int) -> bool:
    """Whether an offset leads where the grid says: a neighbour to the right lies more to the right than down."""
    along = cols * offset.dx_px
    down = rows * offset.dy_px
    if rows == 0:
        return along > abs(offset.dy_px)
    if cols == 0:
        return down > abs(offset.dx_px)
    return along > 0 and down > 0


def _joined(first: Sequence[Offset], second: Sequence[Offset], *, sign: int) -> list[Offset]:
    """The middle of `first` and `sign` times the middle of `second`, added; empty where either is."""
    if not first or not second:
        return []
    other = _middle(second)
    return [_middle(first) + (other if sign > 0 else -other)]


def _middle(offsets: Sequence[Offset]) -> Offset:
    x, y = np.median(np.array([(offset.dx_px, offset.dy_px) for offset in offsets]), axis=0)
    return Offset(dx_px=round(float(x)), dy_px=round(float(y)))
