"""What the net should answer to a drawn product."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imageflow_models.network import CELL_PX, CELLS, KINDS, PLACE_PX, PLACES
from imageflow_models.products import DefectKind, Drawn

IGNORED = 2
_LEAST_SHARE = {DefectKind.SCRATCH: 0.06}
_SHARE = 0.25
"""Of a cell's pixels that a defect has to cover for the cell to answer for it; one with less may say anything."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """For one picture."""

    scores: NDArray[np.uint8]
    """Cells x cells x kinds: 1 where the defect is, `IGNORED` at its edge, else 0."""
    boxes: NDArray[np.float32]
    """Cells x cells x 4: left, top, right, bottom in pixels; meaningless where no score is 1."""
    heat: NDArray[np.uint8]
    """Places x places x kinds: 1 where a defect touches the place."""


def target_of(drawn: Drawn) -> Target:
    """Return what a perfect net would answer; where defects lie upon each other, the smaller one's box counts."""
    scores = np.zeros((CELLS, CELLS, len(KINDS)), np.uint8)
    boxes = np.zeros((CELLS, CELLS, 4), np.float32)
    heat = np.zeros((PLACES, PLACES, len(KINDS)), np.uint8)
    # The smallest last: a cell under two defects has the box of the smaller.
    for defect in sorted(drawn.defects, key=lambda defect: -int(defect.mask.sum())):
        kind = KINDS.index(defect.kind)
        covered = defect.mask.reshape(CELLS, CELL_PX, CELLS, CELL_PX).mean(axis=(1, 3))
        owns = covered >= min(_LEAST_SHARE.get(defect.kind, _SHARE), covered.max())
        touched = (covered > 0) & ~owns & (scores[..., kind] == 0)
        scores[..., kind][touched] = IGNORED
        scores[..., kind][owns] = 1
        boxes[owns] = defect.box
        heat[..., kind] |= defect.mask.reshape(PLACES, PLACE_PX, PLACES, PLACE_PX).any(axis=(1, 3))
    return Target(scores=scores, boxes=boxes, heat=heat)
