"""Less detail."""

from typing import ClassVar, Literal, Self

import cv2
import numpy as np
from pydantic import Field, model_validator
from typing_extensions import override

from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.values import Image


class Blur(Component):
    """Smooth a picture over (2 `radius_px` + 1)^2 pixels.

    `gauss` weighs by distance (sigma is half the radius), `box` all alike, `median` keeps edges and drops specks.
    """

    name: ClassVar[str] = "blur"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.15, bytes_per_px=6)

    method: Literal["gauss", "box", "median"] = "gauss"
    radius_px: int = Field(default=2, ge=1, le=100, description="At most 30 for 'median'.")

    @model_validator(mode="after")
    def _median_is_small(self) -> Self:
        if self.method == "median" and self.radius_px > 30:
            raise ValueError("radius_px of a median is at most 30")
        return self

    @override
    def cpu_s(self, megapixels: float) -> float:
        match self.method:
            case "gauss":
                return 0.002 * (self.radius_px + 4) * megapixels
            case "box":
                return 0.01 * megapixels
            case "median":
                return self.needs.cpu_s_per_megapixel * megapixels

    def __call__(self, image: Image) -> Image:
        """Return a picture of the same size and channels."""
        side = 2 * self.radius_px + 1
        match self.method:
            case "gauss":
                pixels = cv2.GaussianBlur(image.pixels, (side, side), self.radius_px / 2)
            case "box":
                pixels = cv2.blur(image.pixels, (side, side))
            case "median":
                pixels = cv2.medianBlur(image.pixels, side)
        return Image(pixels.astype(np.uint8, copy=False))
