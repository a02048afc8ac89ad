"""A part of a picture."""

from typing import ClassVar

from pydantic import Field

from imageflow_domain.errors import InvalidInput
from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.limits import MAX_SIDE_PX
from imageflow_pipelines.values import Image


class Crop(Component):
    """Cut out the rectangle whose top left corner is (`x_px`, `y_px`); it must lie inside the picture."""

    name: ClassVar[str] = "crop"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.005, bytes_per_px=0)

    x_px: int = Field(default=0, ge=0, le=MAX_SIDE_PX)
    y_px: int = Field(default=0, ge=0, le=MAX_SIDE_PX)
    width_px: int = Field(ge=1, le=MAX_SIDE_PX)
    height_px: int = Field(ge=1, le=MAX_SIDE_PX)

    def __call__(self, image: Image) -> Image:
        """Raise `InvalidInput` for a rectangle that reaches beyond the picture."""
        right, bottom = self.x_px + self.width_px, self.y_px + self.height_px
        if right > image.width_px or bottom > image.height_px:
            raise InvalidInput(
                f"The rectangle ends at ({right}, {bottom}), outside the picture of "
                f"{image.width_px} x {image.height_px} px: move it or make it smaller."
            )
        # A view would keep the whole picture in memory.
        return Image(image.pixels[self.y_px : bottom, self.x_px : right].copy())
