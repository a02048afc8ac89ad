"""Black on white, for reading."""

from typing import ClassVar, Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.values import Image, Pixels

_BAND_ROWS = 512
"""Worked on at once: a huge picture's means and squares would fill gigabytes."""


class Binarise(Component):
    """Make writing black on white, under uneven light: a pixel is ink that is darker than its surroundings.

    `sauvola` compares with the mean and the contrast within `window_px` (J. Sauvola and M. Pietikaeinen, 2000): a pixel
    is paper above mean * (1 + k * (deviation / 128 - 1)). `mean` compares with the mean less `k` * 100 levels.
    """

    name: ClassVar[str] = "binarise"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.05, bytes_per_px=6)

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
        """Return a grey picture of the same size: 0 where there is ink, else 255."""
        grey = ~image.grey() if self.bright_writing else image.grey()
        ink = np.empty_like(grey)
        halo = self.window_px // 2
        for top in range(0, image.height_px, _BAND_ROWS):
            above = max(0, top - halo)
            rows = slice(top, top + _BAND_ROWS)
            level = self._level(grey[above : top + _BAND_ROWS + halo])[top - above :][:_BAND_ROWS]
            ink[rows] = np.where(grey[rows] > level, np.uint8(255), np.uint8(0))
        return Image(ink)

    def _level(self, grey: Pixels) -> NDArray[np.float64]:
        """Return the brightness above which each pixel is paper."""
        window = (self.window_px, self.window_px)
        # Sums of integers in doubles are exact, so that the order of adding them does not matter.
        mean = cv2.boxFilter(grey, cv2.CV_64F, window, borderType=cv2.BORDER_REFLECT_101).astype(np.float64, copy=False)
        if self.method == "mean":
            return mean - 100 * self.k
        squares = cv2.sqrBoxFilter(grey, cv2.CV_64F, window, borderType=cv2.BORDER_REFLECT_101)
        deviation = np.sqrt(np.maximum(squares - mean * mean, 0))
        return mean * (1 + self.k * (deviation / 128 - 1))
