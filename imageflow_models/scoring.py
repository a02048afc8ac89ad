"""How well drawn products are judged: counts against the truth, and the table of scores."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from imageflow_models.products import DefectKind, Drawn
from imageflow_pipelines.values import Box, Detection

LEAST_OVERLAP = 0.3
"""Intersection over union from which a box counts as that of a defect."""

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
            found[defect.kind] += any(
                item.label == defect.kind and item.box is not None and overlap(item.box, defect.box) >= LEAST_OVERLAP
                for item in detections
            )
    return Scores(
        pictures=hits + misses + alarms + passes,
        image_f1=2 * hits / (2 * hits + misses + alarms),
        image_precision=hits / max(hits + alarms, 1),
        image_recall=hits / (hits + misses),
        recall={kind: found[kind] / count for kind, count in there.items() if count},
        false_alarms=alarms / (alarms + passes),
    )


def overlap(box: Box, truth: tuple[int, int, int, int]) -> float:
    """Return the intersection over union of a box and left, top, right, bottom."""
    left, top, right, bottom = truth
    width = min(box.x_px + box.width_px, right) - max(box.x_px, left)
    height = min(box.y_px + box.height_px, bottom) - max(box.y_px, top)
    shared = max(width, 0) * max(height, 0)
    return shared / (box.width_px * box.height_px + (right - left) * (bottom - top) - shared)
