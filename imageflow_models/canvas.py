"""Anti-aliased shapes on one product's own axes. What they are shapes of is `products`' business."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Coverage = NDArray[np.float32]
"""Height x width, 0 to 1: how much of each pixel a shape covers."""
Points = NDArray[np.float64]
"""N x 2: x and y."""

_SHIFT = 4  # OpenCV takes sixteenths of a pixel
_CIRCLE = np.stack([f(np.linspace(0, 2 * math.pi, 48, endpoint=False)) for f in (np.cos, np.sin)], axis=1)


@dataclass(frozen=True, kw_only=True)
class ProductCanvas:
    """A square of pixels on which a product lies somewhere, turned and scaled.

    Shapes are given in the product's own axes: the origin is its middle, its half height is about 1.
    """

    size_px: int
    middle_px: tuple[float, float]
    unit_px: float
    angle_rad: float

    def place(self, points: Points) -> Points:
        """Return where points of the product lie on the canvas, in pixels."""
        cos, sin = math.cos(self.angle_rad), math.sin(self.angle_rad)
        turned: Points = points @ np.array([[cos, sin], [-sin, cos]]) * self.unit_px + self.middle_px
        return turned

    def polygon(self, points: Points) -> Coverage:
        """Return the coverage of a filled polygon."""
        coverage = np.zeros((self.size_px, self.size_px), np.uint8)
        fixed = np.round(self.place(points) * 2**_SHIFT).astype(np.int32)
        cv2.fillPoly(coverage, [fixed], (255,), lineType=cv2.LINE_AA, shift=_SHIFT)
        return coverage.astype(np.float32) / np.float32(255)

    def rectangle(self, x: float, y: float, half_width: float, half_height: float) -> Coverage:
        """Return the coverage of a rectangle around (`x`, `y`) that is upright on the product."""
        corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float64)
        return self.polygon(corners * (half_width, half_height) + (x, y))

    def ellipse(self, x: float, y: float, half_width: float, half_height: float) -> Coverage:
        """Return the coverage of an ellipse around (`x`, `y`), as a polygon of 48 corners."""
        return self.polygon(_CIRCLE * (half_width, half_height) + (x, y))

    def rounded(self, half_width: float, half_height: float, corner: float) -> Coverage:
        """Return the coverage of a rectangle around the middle whose corners are quarters of circles."""
        inner = np.array([half_width - corner, half_height - corner])
        return self.polygon(_CIRCLE * corner + np.sign(np.round(_CIRCLE, 9)) * inner)

    def stroke(self, points: Points, width_px: float) -> Coverage:
        """Return the coverage of a line through points; its width is in pixels of the canvas."""
        fine = 4
        coverage = np.zeros((self.size_px * fine, self.size_px * fine), np.uint8)
        fixed = np.round(self.place(points) * fine * 2**_SHIFT).astype(np.int32)
        cv2.polylines(coverage, [fixed], False, (255,), max(1, round(width_px * fine)), cv2.LINE_8, _SHIFT)
        small = cv2.resize(coverage, (self.size_px, self.size_px), interpolation=cv2.INTER_AREA)
        return small.astype(np.float32) / np.float32(255)
