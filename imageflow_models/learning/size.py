"""The size to which a model stretches every image."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

STRIDE_PX = 16
"""One place of the heat is so many pixels wide and high."""
_STEP_PX = 2 * STRIDE_PX
_LEAST_SIDE_PX = 128
_LEAST_PX = 384**2
"""Smaller images are enlarged: of 300 x 300 px ones more defects are found at 384 x 384 than at 256 x 256."""
MOST_PX = 3_000_000


@dataclass(frozen=True, kw_only=True)
class Size:
    """Width and height in pixels, multiples of `STRIDE_PX`."""

    width_px: int
    height_px: int

    @property
    def places(self) -> tuple[int, int]:
        """Rows and columns of the heat."""
        return self.height_px // STRIDE_PX, self.width_px // STRIDE_PX

    def __str__(self) -> str:
        return f"{self.width_px} x {self.height_px}"


def choose_size(sizes: Sequence[tuple[int, int]], most_px: int = MOST_PX) -> Size:
    """Return the size that changes images of these widths and heights least, of at most `most_px` pixels."""
    sides = np.array(sizes, np.float64)
    aspect = math.exp(float(np.median(np.log(sides[:, 0] / sides[:, 1]))))
    area = min(max(float(np.median(sides.prod(axis=1))), _LEAST_PX), most_px)
    height = math.sqrt(area / aspect)
    return Size(width_px=_rounded(height * aspect), height_px=_rounded(height))


def _rounded(side: float) -> int:
    return max(_LEAST_SIDE_PX, round(side / _STEP_PX) * _STEP_PX)
