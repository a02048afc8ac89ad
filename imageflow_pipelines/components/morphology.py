"""Masks grown, shrunk and cleaned."""

from typing import ClassVar, Literal

import cv2
import numpy as np
from pydantic import Field
from typing_extensions import override

from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.values import Mask

_OPERATIONS = {
    "dilate": cv2.MORPH_DILATE,
    "erode": cv2.MORPH_ERODE,
    "open": cv2.MORPH_OPEN,
    "close": cv2.MORPH_CLOSE,
    "outline": cv2.MORPH_GRADIENT,
}
_SHAPES = {"square": cv2.MORPH_RECT, "disc": cv2.MORPH_ELLIPSE, "cross": cv2.MORPH_CROSS}


class Morphology(Component):
    """Grow (`dilate`) or shrink (`erode`) a mask, drop specks (`open`), fill holes (`close`), or keep its `outline`."""

    name: ClassVar[str] = "morphology"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.25, bytes_per_px=3)

    operation: Literal["dilate", "erode", "open", "close", "outline"]
    shape: Literal["square", "disc", "cross"] = "disc"
    radius_px: int = Field(default=1, ge=1, le=50)

    @override
    def cpu_s(self, megapixels: float) -> float:
        return (0.002 + 2e-5 * (2 * self.radius_px + 1) ** 2) * megapixels

    def __call__(self, mask: Mask) -> Mask:
        """Return a mask of the same size."""
        side = 2 * self.radius_px + 1
        kernel = cv2.getStructuringElement(_SHAPES[self.shape], (side, side))
        return Mask(cv2.morphologyEx(mask.pixels, _OPERATIONS[self.operation], kernel).astype(np.uint8, copy=False))
