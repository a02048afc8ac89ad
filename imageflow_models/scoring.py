"""How well drawn products are judged: counts against the truth, and the table of scores."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from imageflow_models.products import Defect, DefectKind, Drawn
from imageflow_pipelines.values import Box, Detection

LEAST_OVERLAP = 0.1
"""Intersection over union below which a box is not that of a defect."""
LEAST_COVER = 0.5
"""Share of a defect's pixels that its boxes have to cover together. Boxes of scratches are a few pixels wide, and one
may be found in pieces: overlap alone would demand a precision that inspections do not need."""

Judge = Callable[[Drawn], Sequence[Detection]]
"""Returns what is wrong with the product of a picture, without looking at the truth."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Shares from 0 to 1."""

    pictures: int
    image_f1: float
    """Of pictures judged bad."""
    image_precision: float
    image_recall: float
    recall: dict[DefectKind, float]
    """Of defects found as what they are, where they are."""
    false_alarms: float
    """Of good products judged bad."""

    def lines(self) -> tuple[tuple[str, str], ...]:
        """Return the table: what, and how much."""
        return (
            ("image F1", f"{self.image_f1:.3f}"),
            ("precision, recall", f"{self.image_precision:.3f}, {self.image_recall:.3f}"),
            *((f"recall, {kind.replace('_', ' ')}", f"{share:.3f}") for kind, share in self.recall.items()),
            ("false alarms", f"{100 * self.false_alarms:.1f} %"),
        )


def score(products: Iterable[Drawn], judge: Judge) -> Scores:
    """Judge products and count; there has to be at least one good and one bad one."""
    hits = misses = alarms = passes = 0
    found = dict.fromkeys(DefectKind, 0)
    there = dict.fromkeys(DefectKind, 0)
    for product in products:
        detections = judge(product)
        match product.is_good, bool(detections):
            case True, True:
                alarms += 1
            case True, False:
                passes += 1
            case False, True:
                hits += 1
            case False, False:
                misses += 1
        for defect in product.defects:
            there[defect.kind] += 1
            found[defect.kind] += is_found(defect, detections)
    return Scores(
        pictures=hits + misses + alarms + passes,
        image_f1=2 * hits / (2 * hits + misses + alarms),
        image_precision=hits / max(hits + alarms, 1),
        image_recall=hits / (hits + misses),
        recall={kind: found[kind] / count for kind, count in there.items() if count},
        false_alarms=alarms / (alarms + passes),
    )


def is_found(defect: Defect, detections: Sequence[Detection]) -> bool:
    """Whether boxes of a defect's kind that overlap its own by `LEAST_OVERLAP` cover `LEAST_COVER` of its pixels."""
    covered = np.zeros_like(defect.mask)
    for item in detections:
        box = item.box
        if item.label == defect.kind and box is not None and overlap(box, defect.box) >= LEAST_OVERLAP:
            rows = slice(max(0, math.floor(box.y_px)), math.ceil(box.y_px + box.height_px))
            columns = slice(max(0, math.floor(box.x_px)), math.ceil(box.x_px + box.width_px))
            covered[rows, columns] = True
    return bool((covered & defect.mask).sum() >= LEAST_COVER * defect.mask.sum())


def overlap(box: Box, truth: tuple[int, int, int, int]) -> float:
    """Return the intersection over union of a box and left, top, right, bottom."""
    left, top, right, bottom = truth
    width = min(box.x_px + box.width_px, right) - max(box.x_px, left)
    height = min(box.y_px + box.height_px, bottom) - max(box.y_px, top)
    shared = max(width, 0) * max(height, 0)
    return shared / (box.width_px * box.height_px + (right - left) * (bottom - top) - shared)
