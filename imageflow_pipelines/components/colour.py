"""Other colours."""

from typing import ClassVar, Literal

import cv2
import numpy as np
from cv2.typing import MatLike

from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.values import Image, Pixels

_CODES = {
    "hsv": cv2.COLOR_RGB2HSV,
    "lab": cv2.COLOR_RGB2Lab,
    "ycrcb": cv2.COLOR_RGB2YCrCb,
}


class Colour(Component):
    """Show a picture in another colour space, or one channel of it as grey.

    `grey` weighs red, green and blue as the eye does (ITU-R BT.601). Hue is in half degrees, 0 to 179. A grey picture
    counts as RGB of equal channels.
    """

    name: ClassVar[str] = "colour"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.04, bytes_per_px=6)

    space: Literal["grey", "rgb", "hsv", "lab", "ycrcb"] = "grey"
    channel: Literal[0, 1, 2] | None = None

    def __call__(self, image: Image) -> Image:
        """Return a picture of the same size; three channels are in the order of the space's letters."""
        if self.space == "grey":
            return Image(image.grey())
        pixels = _uint8(cv2.cvtColor(image.pixels, cv2.COLOR_GRAY2RGB)) if image.is_grey else image.pixels
        if self.space != "rgb":
            pixels = _uint8(cv2.cvtColor(pixels, _CODES[self.space]))
        return Image(pixels if self.channel is None else np.ascontiguousarray(pixels[..., self.channel]))


def _uint8(pixels: MatLike) -> Pixels:
    return pixels.astype(np.uint8, copy=False)
