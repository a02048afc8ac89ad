"""An image at a size, prepared for comparison: brightness, and brightness whose local mean and contrast are removed."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from imageflow_pipelines.alignment.pose import Floats
from imageflow_pipelines.values import Pixels

_FAINT = 3.0
"""Grey levels: a contrast below it is taken for noise."""


@dataclass(frozen=True, eq=False)
class Level:
    """A grey image resized by `factor`, float32."""

    factor: float
    grey: Floats
    window_px: int
    """Side of the area over which mean and contrast are removed, odd."""

    @property
    def width_px(self) -> int:
        """Columns of `grey`."""
        return int(self.grey.shape[1])

    @property
    def height_px(self) -> int:
        """Rows of `grey`."""
        return int(self.grey.shape[0])

    @cached_property
    def normal(self) -> Floats:
        """Brightness less its local mean, by its local contrast."""
        return normalised(self.grey, self.window_px)

    @cached_property
    def slopes(self) -> tuple[Floats, Floats]:
        """Derivatives of `normal` along x and y."""
        return derivatives(self.normal)


def resized(grey: Pixels, factor: float, window_px: int) -> Level:
    """Return an image's level; `factor` is at most 1."""
    # Given a size in whole pixels, OpenCV would scale by what the sides are rounded to.
    small = grey if factor == 1 else cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return Level(factor, small.astype(np.float32), window_px)


def normalised(grey: Floats, window_px: int) -> Floats:
    """Return brightness less its local mean, by its local contrast: the same under another light."""
    mean, spread = local_statistics(grey, window_px)
    return np.asarray((grey - mean) / (spread + _FAINT), np.float32)


def local_statistics(grey: Floats, window_px: int) -> tuple[Floats, Floats]:
    """Return mean and standard deviation over a square around each pixel."""
    size = (window_px, window_px)
    mean = cv2.blur(grey, size, borderType=cv2.BORDER_REFLECT_101)
    square = cv2.blur(grey * grey, size, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(mean, np.float32), np.sqrt(np.maximum(square - mean * mean, 0)).astype(np.float32)


def derivatives(values: Floats) -> tuple[Floats, Floats]:
    """Return the derivatives along x and y, per pixel."""
    smooth = cv2.GaussianBlur(values, (0, 0), 0.7)
    x = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    y = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    return np.asarray(x, np.float32), np.asarray(y, np.float32)
