"""Pixels by brightness."""

from typing import ClassVar, Literal

import cv2
import numpy as np
from pydantic import Field

from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.values import Image, Mask


class Threshold(Component):
    """Mark the pixels that are brighter than `level`, or with `dark` the others. Colours count as their grey.

    `otsu` finds the level that parts dark from bright best (N. Otsu, 1979) and ignores `level`.
    """

    name: ClassVar[str] = "threshold"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.01, bytes_per_px=2)

    method: Literal["fixed", "otsu"] = "fixed"
    level: int = Field(default=127, ge=0, le=255)
    dark: bool = False

    def __call__(self, image: Image) -> Mask:
        """Return a mask of the picture's size."""
        kind = cv2.THRESH_BINARY_INV if self.dark else cv2.THRESH_BINARY
        if self.method == "otsu":
            kind |= cv2.THRESH_OTSU
        return Mask(cv2.threshold(image.grey(), self.level, 255, kind)[1].astype(np.uint8, copy=False))
