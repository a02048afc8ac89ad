"""Scores with known answers, and the threshold that models have to beat."""

from collections.abc import Sequence

import numpy as np
import pytest

from imageflow_models.judging import best_threshold
from imageflow_models.products import Defect, DefectKind, Drawn, Split, draw
from imageflow_models.scoring import is_found, overlap, score
from imageflow_pipelines.values import Box, Detection


def _product(*defects: tuple[DefectKind, tuple[int, int, int, int]]) -> Drawn:
    return Drawn(
        pixels=np.zeros((8, 8, 3), np.uint8),
        design="valve",
        defects=tuple(Defect(kind=kind, contrast=0.1, box=box, mask=_mask(box)) for kind, box in defects),
    )


def _mask(box: tuple[int, int, int, int]) -> "np.typing.NDArray[np.bool_]":
    left, top, right, bottom = box
    mask = np.zeros((8, 8), bool)
    mask[top:bottom, left:right] = True
    return mask


def _found(label: str, box: tuple[int, int, int, int]) -> Detection:
    left, top, right, bottom = box
    return Detection(
        label=label, score=0.9, box=Box(x_px=left, y_px=top, width_px=right - left, height_px=bottom - top)
    )


def test_boxes_overlap_by_what_they_share_of_both() -> None:
    box = Box(x_px=0, y_px=0, width_px=4, height_px=2)
    assert overlap(box, (0, 0, 4, 2)) == 1
    assert overlap(box, (2, 0, 6, 2)) == pytest.approx(4 / 12)
    assert overlap(box, (4, 0, 8, 2)) == 0


def test_a_table_counts_hits_misses_and_alarms() -> None:
    here, elsewhere = (0, 0, 4, 4), (4, 4, 8, 8)
    dent, scratch = DefectKind.DENT, DefectKind.SCRATCH
    said: list[tuple[Drawn, Sequence[Detection]]] = [
        (_product((dent, here)), [_found("dent", here)]),
        (_product((dent, here), (scratch, elsewhere)), [_found("dent", here)]),
        (_product((dent, here)), [_found("dent", elsewhere)]),  # a bad product, but not for that
        (_product((dent, here)), [_found("scratch", here)]),
        (_product((dent, here)), []),
        (_product(), [_found("dent", here)]),
        (_product(), []),
        (_product(), []),
        (_product(), []),
    ]
    answers = iter(answer for _, answer in said)
    scores = score((product for product, _ in said), lambda _: next(answers))
    assert scores.pictures == 9
    assert scores.recall == {dent: 2 / 5, scratch: 0}
    assert scores.false_alarms == 1 / 4
    assert scores.image_precision == 4 / 5
    assert scores.image_recall == 4 / 5
    assert scores.image_f1 == pytest.approx(4 / 5)


def test_a_defect_is_found_in_pieces_but_not_by_a_corner_nor_by_the_whole_picture() -> None:
    (defect,) = _product((DefectKind.SCRATCH, (0, 0, 8, 1))).defects
    left, middle = _found("scratch", (0, 0, 3, 2)), _found("scratch", (3, 0, 6, 2))
    assert is_found(defect, [left, middle])
    assert not is_found(defect, [left])
    assert not is_found(defect, [_found("dent", (0, 0, 8, 1))])
    large = np.zeros((32, 32), bool)
    large[0, :8] = True
    defect = Defect(kind=DefectKind.SCRATCH, contrast=0.1, box=(0, 0, 8, 1), mask=large)
    assert not is_found(defect, [_found("scratch", (0, 0, 32, 32))])


def test_a_threshold_beats_calling_everything_bad() -> None:
    products = [draw(Split.HELD_OUT, seed) for seed in range(200)]
    everything = score(products, lambda product: [_found("bad", (0, 0, *product.pixels.shape[1::-1]))])
    assert everything.false_alarms == 1
    assert score(products, best_threshold(200)).image_f1 > everything.image_f1 - 0.02
