"""Defects drawn on good images: how small and how faint they may be and are still found."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from imageflow_pipelines.values import Pixels

SIZES_PX = (5, 10, 20, 40, 80)
CONTRASTS = (0.1, 0.2, 0.4)
_MARGIN = 0.1
"""Share of a side that stays free of defects: borders may be background."""
_SHARE_OF_IMAGE = 0.5


@dataclass(frozen=True, kw_only=True)
class FoundShare:
    """How many defects of one size and contrast were found."""

    size_px: int
    """Width of the defect in the original image."""
    contrast: float
    """By how much its grey differs, as a share of full scale."""
    found: int
    drawn: int


def fitting_sizes(sides_px: int) -> tuple[int, ...]:
    """Return the sizes that fit into an image whose shorter side has so many pixels."""
    return tuple(size for size in SIZES_PX if size <= _SHARE_OF_IMAGE * sides_px)


def draw_defect(pixels: Pixels, size_px: int, contrast: float, random: np.random.Generator) -> Pixels:
    """Return an image with one spot, darker or lighter, of a random outline at a random place."""
    height, width = pixels.shape[:2]
    x, y = (int(random.uniform(_MARGIN, 1 - _MARGIN) * side) for side in (width, height))
    coverage = np.zeros((height, width), np.float32)
    # Sixteenths of a pixel, as a spot of five pixels has a visible outline.
    axes = tuple(max(8, int(size_px * 8 * random.uniform(0.7, 1))) for _ in range(2))
    cv2.ellipse(
        coverage, (x * 16, y * 16), axes, float(random.uniform(0, 180)), 0, 360, (1.0,), -1, cv2.LINE_AA, shift=4
    )
    coverage = np.asarray(cv2.GaussianBlur(coverage, (0, 0), 0.7), np.float32)
    grey = float(pixels[y, x].mean())
    # Away from the end of the scale: a dark spot on black would not be there.
    sign = 1.0 if grey + 255 * contrast <= 255 and (random.random() < 0.5 or grey < 255 * contrast) else -1.0
    change = sign * 255 * contrast * coverage
    changed = pixels.astype(np.float32) + (change[..., None] if pixels.ndim == 3 else change)
    return np.clip(np.round(changed), 0, 255).astype(np.uint8)


def try_defects(
    images: list[Pixels], is_found: Callable[[int, Pixels], bool], random: np.random.Generator
) -> Iterator[FoundShare]:
    """Yield how many defects of each size and contrast are found, one a good image.

    Args:
        images: Good ones.
        is_found: Says for an image's index and its changed pixels whether it is judged bad.
        random: For places and outlines.
    """
    shortest = min(min(each.shape[:2]) for each in images)
    for size_px in fitting_sizes(shortest):
        for contrast in CONTRASTS:
            found = sum(is_found(i, draw_defect(pixels, size_px, contrast, random)) for i, pixels in enumerate(images))
            yield FoundShare(size_px=size_px, contrast=contrast, found=found, drawn=len(images))
