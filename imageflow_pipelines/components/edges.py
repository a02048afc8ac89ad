"""Where brightness changes."""

from typing import ClassVar, Self

import cv2
import numpy as np
from pydantic import Field, model_validator

from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.values import Image, Mask


class Edges(Component):
    """Mark edges one pixel wide: steeper than `high`, or than `low` and tied to such a one (J. Canny, 1986)."""

    name: ClassVar[str] = "edges"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.03, bytes_per_px=12)

    low: int = Field(default=50, ge=0, le=2000)
    high: int = Field(default=150, ge=0, le=2000)

    @model_validator(mode="after")
    def _low_is_lower(self) -> Self:
        if self.low > self.high:
            raise ValueError("low must not be above high")
        return self

    def __call__(self, image: Image) -> Mask:
        """Return a mask of the picture's size, found in its grey."""
        return Mask(cv2.Canny(image.grey(), self.low, self.high, L2gradient=True).astype(np.uint8, copy=False))
