"""Black on white, for reading."""

from typing import ClassVar, Literal, Self

import cv2
import numpy as np
from pydantic import Field, model_validator

from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.values import Image


class Binarise(Component):
    """Make writing black on white, under uneven light: a pixel is ink that is darker than its surroundings.

    `sauvola` compares with the mean and the contrast within `window_px` (J. Sauvola and M. Pietikaeinen, 2000): a pixel
    is paper above mean * (1 + k * (deviation / 128 - 1)). `mean` compares with the mean less `k` * 100 levels.
    """

    name: ClassVar[str] = "binarise"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.05, bytes_per_px=24)

    method: Literal["sauvola", "mean"] = "sauvola"
    window_px: int = Field(default=31, ge=3, le=255, description="Odd; some two letters wide.")
    k: float = Field(default=0.2, ge=0, le=1)
    bright_writing: bool = Field(default=False, description="The writing is brighter than what it stands on.")

    @model_validator(mode="after")
    def _window_is_odd(self) -> Self:
        if self.window_px % 2 == 0:
            raise ValueError("window_px must be odd")
        return self

    def __call__(self, image: Image) -> Image:
        grey = image.pixels if image.is_grey else cv2.cvtColor(image.pixels, cv2.COLOR_RGB2GRAY)
        if self.bright_writing:
            grey = cv2.bitwise_not(grey)
        window = (self.window_px, self.window_px)
        # Sums of integers in doubles are exact, so that the order of adding them does not matter.
        mean = cv2.boxFilter(grey, cv2.CV_64F, window, borderType=cv2.BORDER_REFLECT_101)
        if self.method == "mean":
            level = mean - 100 * self.k
        else:
            squares = cv2.sqrBoxFilter(grey, cv2.CV_64F, window, borderType=cv2.BORDER_REFLECT_101)
            deviation = np.sqrt(np.maximum(squares - mean * mean, 0))
            level = mean * (1 + self.k * (deviation / 128 - 1))
        return Image(np.where(grey > level, np.uint8(255), np.uint8(0)))
