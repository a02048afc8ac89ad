"""More detail."""

from typing import ClassVar

import cv2
import numpy as np
from pydantic import Field
from typing_extensions import override

from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.values import Image


class Sharpen(Component):
    """Add `amount` times what a Gaussian blur of `radius_px` takes away (unsharp mask)."""

    name: ClassVar[str] = "sharpen"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.12, bytes_per_px=9)

    radius_px: int = Field(default=2, ge=1, le=50)
    amount: float = Field(default=1.0, ge=0, le=10)

    @override
    def cpu_s(self, megapixels: float) -> float:
        return 0.002 * (self.radius_px + 6) * megapixels

    def __call__(self, image: Image) -> Image:
        """Return a picture of the same size and channels; sums below 0 become 0, those above 255 become 255."""
        side = 2 * self.radius_px + 1
        smooth = cv2.GaussianBlur(image.pixels, (side, side), self.radius_px / 2)
        sharp = cv2.addWeighted(image.pixels, 1 + self.amount, smooth, -self.amount, 0)
        return Image(sharp.astype(np.uint8, copy=False))
