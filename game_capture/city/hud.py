"""The city game's head-up display: a bar at the top and a map in a corner, drawn over every picture."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from game_capture.city import paint
from imageflow_domain.geometry import Rect, Size

_BAR_PX = 28
_MAP_WIDTH_PX, _MAP_HEIGHT_PX = 176, 128


def rectangles(view: Size) -> tuple[Rect, ...]:
    """Return where the display covers the picture."""
    width = min(_MAP_WIDTH_PX, view.width_px // 4)
    height = min(_MAP_HEIGHT_PX, view.height_px // 4)
    return (
        Rect(x_px=0, y_px=0, width_px=view.width_px, height_px=_BAR_PX),
        Rect(x_px=view.width_px - width, y_px=view.height_px - height, width_px=width, height_px=height),
    )


def draw(pixels: NDArray[np.uint8], *, tick: int, year: int) -> None:
    """Draw the display into a picture of shape (height, width, 3); the clock shows `tick`."""
    height, width = pixels.shape[:2]
    bar, corner = rectangles(Size(width_px=width, height_px=height))
    for rect, image in ((bar, _bar(bar, tick, year)), (corner, _map(corner, tick))):
        pixels[rect.y_px : rect.bottom_px, rect.x_px : rect.right_px] = np.asarray(image, dtype=np.uint8)


def _bar(rect: Rect, tick: int, year: int) -> Image.Image:
    image = Image.new("RGB", (rect.width_px, rect.height_px), paint.OUTLINE)
    draw = ImageDraw.Draw(image)
    draw.line((0, rect.height_px - 1, rect.width_px, rect.height_px - 1), fill=paint.LINE)
    for button in range(6):
        draw.rectangle((6 + 24 * button, 4, 26 + 24 * button, 23), fill=paint.ROOFS[button], outline=paint.LINE)
    clock = f"Year {1990 + year}  {tick // 60 % 24:02d}:{tick % 60:02d}"
    draw.text((rect.width_px - 110, 8), clock, fill=paint.WHITE)
    return image


def _map(rect: Rect, tick: int) -> Image.Image:
    image = Image.new("RGB", (rect.width_px, rect.height_px), paint.GRASS_DARK)
    draw = ImageDraw.Draw(image)
    draw.ellipse((20, 16, rect.width_px // 2, rect.height_px - 20), fill=paint.WATER)
    x = 8 + tick % max(1, rect.width_px - 40)
    draw.rectangle((x, rect.height_px // 3, x + 24, rect.height_px // 3 + 18), outline=paint.WHITE)
    draw.rectangle((0, 0, rect.width_px - 1, rect.height_px - 1), outline=paint.LINE, width=3)
    return image
