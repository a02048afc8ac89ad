"""Drawn products: the truth that comes with them is what the picture shows."""

from collections import Counter

import cv2
import numpy as np
import pytest

from imageflow_models.network import CELL_PX, CELLS, KINDS
from imageflow_models.products import LEAST_CONTRAST, MOST_CONTRAST, SIZE_PX, DefectKind, Drawn, Split, draw
from imageflow_models.targets import target_of

SOME = 150


@pytest.fixture(scope="module")
def products() -> list[Drawn]:
    return [draw(Split.VALIDATION, seed) for seed in range(SOME)]


def test_the_same_seed_draws_the_same_product() -> None:
    first, second = draw(Split.TRAINING, 7), draw(Split.TRAINING, 7)
    assert first.pixels.tobytes() == second.pixels.tobytes()
    assert [defect.box for defect in first.defects] == [defect.box for defect in second.defects]


def test_no_split_shares_a_picture_with_another() -> None:
    pictures = {(split, seed): draw(split, seed).pixels.tobytes() for split in Split for seed in range(20)}
    assert len(set(pictures.values())) == len(pictures)


def test_half_of_the_products_are_good_and_every_design_and_kind_occurs(products: list[Drawn]) -> None:
    assert 0.38 < sum(product.is_good for product in products) / SOME < 0.62
    assert set(Counter(product.design for product in products)) == {"valve", "disc", "plate"}
    assert {defect.kind for product in products for defect in product.defects} == set(DefectKind)


def test_a_box_is_the_smallest_around_its_mask_and_lies_in_the_picture(products: list[Drawn]) -> None:
    for defect in (defect for product in products for defect in product.defects):
        ys, xs = np.nonzero(defect.mask)
        assert defect.box == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        assert defect.mask.shape == (SIZE_PX, SIZE_PX)
        assert len(xs) >= 20


def test_contrasts_reach_down_to_five_percent_and_no_further(products: list[Drawn]) -> None:
    contrasts = [defect.contrast for product in products for defect in product.defects]
    assert min(contrasts) >= LEAST_CONTRAST
    assert max(contrasts) <= MOST_CONTRAST
    assert np.mean(np.array(contrasts) < 0.1) > 0.2


@pytest.mark.parametrize("kind", list(DefectKind))
def test_a_defect_can_be_seen_where_its_mask_says(kind: DefectKind) -> None:
    """The mask's pixels vary, or differ from those around it, by more than noise does."""
    for seed in range(12):
        product = draw(Split.VALIDATION, seed, (kind,))
        (defect,) = product.defects
        assert defect.kind is kind
        around = _grown(defect.mask, 6) & ~_grown(defect.mask, 2)
        grey = product.pixels.astype(np.float64).mean(axis=2)
        shows = grey[defect.mask].std() + abs(grey[defect.mask].mean() - grey[around].mean())
        assert shows > 255 * defect.contrast / 10


def _grown(mask: "np.typing.NDArray[np.bool_]", by: int) -> "np.typing.NDArray[np.bool_]":
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * by + 1, 2 * by + 1), np.uint8)).astype(bool)


def test_a_product_is_drawn_with_the_defects_that_were_asked_for() -> None:
    kinds = (DefectKind.SCRATCH, DefectKind.MISSING_PART, DefectKind.MISSING_PART)
    product = draw(Split.TRAINING, 3, kinds)
    assert Counter(defect.kind for defect in product.defects) == Counter(kinds)
    assert draw(Split.TRAINING, 3, ()).is_good


def test_targets_tell_each_cell_of_a_defect_its_kind_and_box(products: list[Drawn]) -> None:
    for product in products:
        target = target_of(product)
        assert (target.scores == 1).any() == (not product.is_good)
        for defect in product.defects:
            cells = target.scores[..., KINDS.index(defect.kind)] == 1
            assert cells.any()
        for row, column in zip(*np.nonzero((target.scores == 1).any(axis=2)), strict=True):
            cell = np.zeros((SIZE_PX, SIZE_PX), bool)
            cell[row * CELL_PX : (row + 1) * CELL_PX, column * CELL_PX : (column + 1) * CELL_PX] = True
            boxes = {defect.box for defect in product.defects if (defect.mask & cell).any()}
            assert tuple(int(side) for side in target.boxes[row, column]) in boxes
    assert target.scores.shape == (CELLS, CELLS, len(KINDS))
