"""Turning a picture."""

import math
from typing import ClassVar

import cv2
import numpy as np
from pydantic import Field

from imageflow_domain.errors import InvalidInput
from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.limits import MAX_PICTURE_PX
from imageflow_pipelines.values import Image, Pixels


class Rotate(Component):
    """Turn a picture clockwise by `degrees`. It grows so that nothing is cut off; the corners are filled with `fill`.

    Quarter turns move pixels and change none.
    """

    name: ClassVar[str] = "rotate"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.03, bytes_per_px=6)

    degrees: float = Field(ge=-360, le=360)
    fill: int = Field(default=0, ge=0, le=255)

    def __call__(self, image: Image) -> Image:
        """Raise `InvalidInput` where more than `MAX_PICTURE_PX` would come out."""
        quarters, rest = divmod(self.degrees % 360, 90)
        if rest == 0:
            return Image(np.ascontiguousarray(np.rot90(image.pixels, -int(quarters))))
        return Image(self._turned(image.pixels))

    def _turned(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        angle = math.radians(self.degrees)
        sin, cos = abs(math.sin(angle)), abs(math.cos(angle))
        new_width, new_height = math.ceil(width * cos + height * sin), math.ceil(width * sin + height * cos)
        if new_width * new_height > MAX_PICTURE_PX:
            raise InvalidInput(f"Turned, the picture would have {new_width} x {new_height} px: resize it before.")
        # Centres of pixels, not their corners, are what OpenCV's matrix moves.
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -self.degrees, 1.0)
        matrix[:, 2] += ((new_width - width) / 2, (new_height - height) / 2)
        fill = (self.fill,) * 3
        turned = cv2.warpAffine(pixels, matrix, (new_width, new_height), flags=cv2.INTER_LINEAR, borderValue=fill)
        return turned.astype(np.uint8, copy=False)
