"""Even contrast."""

from typing import ClassVar, Literal

import cv2
import numpy as np
from pydantic import Field

from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.values import Image, Pixels


class Equalise(Component):
    """Spread a picture's brightness over the whole range, colours kept.

    `global` uses one histogram; `local` one a tile of the picture, of `tiles` x `tiles`, whose contrast is raised at
    most `clip` times (CLAHE; K. Zuiderveld, 1994).
    """

    name: ClassVar[str] = "equalise"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.04, bytes_per_px=9)

    method: Literal["global", "local"] = "global"
    tiles: int = Field(default=8, ge=1, le=64)
    clip: float = Field(default=2.0, gt=0, le=40)

    def __call__(self, image: Image) -> Image:
        """Return a picture of the same size and channels."""
        if image.is_grey:
            return Image(self._equalised(image.pixels))
        lab = cv2.cvtColor(image.pixels, cv2.COLOR_RGB2Lab).astype(np.uint8, copy=False)
        lab[..., 0] = self._equalised(np.ascontiguousarray(lab[..., 0]))
        return Image(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB).astype(np.uint8, copy=False))

    def _equalised(self, grey: Pixels) -> Pixels:
        if self.method == "global":
            return cv2.equalizeHist(grey).astype(np.uint8, copy=False)
        local = cv2.createCLAHE(clipLimit=self.clip, tileGridSize=(self.tiles, self.tiles))
        return local.apply(grey).astype(np.uint8, copy=False)
