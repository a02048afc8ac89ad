"""A slanted rectangle seen straight."""

from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import override

from imageflow_domain.errors import InvalidInput
from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.limits import MAX_PICTURE_PX, MAX_SIDE_PX
from imageflow_pipelines.values import Image

Corner = tuple[float, float]


class Perspective(Component):
    """Show the area between four `corners` (x, y; top left first, then clockwise) as an upright rectangle.

    Corners may lie outside the picture; what lies there is black. They must turn clockwise all the way.
    """

    name: ClassVar[str] = "perspective"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.01, bytes_per_px=6)

    corners: tuple[Corner, Corner, Corner, Corner]
    width_px: int = Field(ge=1, le=MAX_SIDE_PX)
    height_px: int = Field(ge=1, le=MAX_SIDE_PX)

    @override
    def cpu_s(self, megapixels: float) -> float:
        return self.needs.cpu_s_per_megapixel * (megapixels + self.width_px * self.height_px / 1e6)

    def __call__(self, image: Image) -> Image:
        """Raise `InvalidInput` for a result of more than `MAX_PICTURE_PX`, or corners that do not turn clockwise."""
        if self.width_px * self.height_px > MAX_PICTURE_PX:
            raise InvalidInput(f"{self.width_px} x {self.height_px} px are more than {MAX_PICTURE_PX:,}.")
        corners = np.asarray(self.corners, np.float64)
        if np.abs(corners).max() > 2 * MAX_SIDE_PX or not _is_clockwise(corners):
            raise InvalidInput("The four corners do not go clockwise around an area: begin at the top left one.")
        right, bottom = float(self.width_px), float(self.height_px)
        target = np.array([(0, 0), (right, 0), (right, bottom), (0, bottom)])
        # Corners are those of pixels; OpenCV counts from the centre of the first pixel.
        matrix = cv2.getPerspectiveTransform((corners - 0.5).astype(np.float32), (target - 0.5).astype(np.float32))
        pixels = cv2.warpPerspective(image.pixels, matrix, (self.width_px, self.height_px), flags=cv2.INTER_LINEAR)
        return Image(pixels.astype(np.uint8, copy=False))


def _is_clockwise(corners: NDArray[np.float64]) -> bool:
    """Whether every corner turns right, in coordinates whose y grows down."""
    along = np.roll(corners, -1, axis=0) - corners
    after = np.roll(along, -1, axis=0)
    return bool((along[:, 0] * after[:, 1] - along[:, 1] * after[:, 0] > 0).all())
