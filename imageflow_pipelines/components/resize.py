"""Another size."""

from typing import ClassVar, Literal

import cv2
import numpy as np
from pydantic import Field

from imageflow_domain.errors import InvalidInput
from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.limits import MAX_PICTURE_PX, MAX_SIDE_PX
from imageflow_pipelines.values import Image, Pixels


class Resize(Component):
    """Scale a picture to `width_px` x `height_px`; a side that is left out keeps the picture's proportions.

    `stretch` fills the size, `fit` keeps proportions within it, `pad` also fills what is left with `fill`.
    """

    name: ClassVar[str] = "resize"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.03, bytes_per_px=6)

    width_px: int | None = Field(default=None, ge=1, le=MAX_SIDE_PX)
    height_px: int | None = Field(default=None, ge=1, le=MAX_SIDE_PX)
    mode: Literal["stretch", "fit", "pad"] = "stretch"
    interpolation: Literal["nearest", "linear", "cubic", "area"] = Field(
        default="area", description="'area' averages when shrinking, and is 'linear' when enlarging."
    )
    fill: int = Field(default=114, ge=0, le=255)

    def __call__(self, image: Image) -> Image:
        """Raise `InvalidInput` where no side is given, or for a result of more than `MAX_PICTURE_PX`."""
        frame = self._frame(image)
        if frame[0] * frame[1] > MAX_PICTURE_PX:
            raise InvalidInput(f"{frame[0]} x {frame[1]} px are more than {MAX_PICTURE_PX:,}: ask for a smaller size.")
        if self.mode == "stretch":
            return Image(self._scaled(image.pixels, frame))
        scale = min(frame[0] / image.width_px, frame[1] / image.height_px)
        size = tuple(max(1, round(side * scale)) for side in (image.width_px, image.height_px))
        scaled = self._scaled(image.pixels, (min(size[0], frame[0]), min(size[1], frame[1])))
        return Image(scaled if self.mode == "fit" else self._padded(scaled, frame))

    def _frame(self, image: Image) -> tuple[int, int]:
        match self.width_px, self.height_px:
            case None, None:
                raise InvalidInput("Neither width_px nor height_px is given: give one or both.")
            case int(width), None:
                return width, max(1, round(image.height_px * width / image.width_px))
            case None, int(height):
                return max(1, round(image.width_px * height / image.height_px)), height
            case int(width), int(height):
                return width, height
        raise AssertionError("unreachable")

    def _scaled(self, pixels: Pixels, size: tuple[int, int]) -> Pixels:
        shrinks = size[0] <= pixels.shape[1] and size[1] <= pixels.shape[0]
        method = {
            "nearest": cv2.INTER_NEAREST_EXACT,
            "linear": cv2.INTER_LINEAR_EXACT,
            "cubic": cv2.INTER_CUBIC,
            "area": cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR_EXACT,
        }[self.interpolation]
        return cv2.resize(pixels, size, interpolation=method).astype(np.uint8, copy=False)

    def _padded(self, pixels: Pixels, frame: tuple[int, int]) -> Pixels:
        padded = np.full((frame[1], frame[0], *pixels.shape[2:]), self.fill, np.uint8)
        left, top = (frame[0] - pixels.shape[1]) // 2, (frame[1] - pixels.shape[0]) // 2
        padded[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
        return padded
