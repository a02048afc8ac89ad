"""How far good images are from the bank at each place: borders and shadows differ more than a plain middle."""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from imageflow_models.learning.trunk import Floats

_DEVIATIONS = 2.0
"""Measured on magnetic tiles: image AUROC 0.878 without deviations, 0.893 with two, 0.884 with four."""
_PLACE_SIGMA = 0.7
"""Places by which the statistics are smoothed."""
_LEAST = 1e-3
SMOOTHING = np.outer([0.1664, 0.6672, 0.1664], [0.1664, 0.6672, 0.1664]).astype(np.float32)
"""What a map is smoothed by: a Gaussian of 0.6 places, 3 x 3."""


@dataclass(frozen=True, kw_only=True)
class Normality:
    """Sums over good images, from which each image's own part can be taken away again."""

    count: int
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def of(cls, distances: Floats) -> Self:
        """Sum up images x rows x columns."""
        exact = distances.astype(np.float64)
        return cls(count=len(distances), sums=exact.sum(axis=0), squares=(exact**2).sum(axis=0))

    def without(self, distances: Floats) -> "Normality":
        """Return the sums without one of the images."""
        exact = distances.astype(np.float64)
        return Normality(count=self.count - 1, sums=self.sums - exact, squares=self.squares - exact**2)

    def level(self) -> Floats:
        """Return the distance that is usual at each place: mean and two standard deviations."""
        mean = self.sums / self.count
        smooth = _smooth(mean)
        variance = self.squares / self.count - 2 * smooth * mean + smooth**2
        return np.maximum(smooth + _DEVIATIONS * np.sqrt(_smooth(np.maximum(variance, 0))), _LEAST).astype(np.float32)


def score_map(distances: Floats, level: Floats) -> Floats:
    """Return how unusual each place is; about 1 where a good image is far from the others."""
    ratio = np.pad(distances / level, 1, mode="edge")
    return np.asarray(cv2.filter2D(ratio, -1, SMOOTHING)[1:-1, 1:-1], np.float32)


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), _PLACE_SIGMA, borderType=cv2.BORDER_REPLICATE), np.float64)
