"""What is kept of a picture so that many whose pixels differ everywhere are compared at once: an eighth of its size."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imageflow_domain.geometry import Rect, Size
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.content import Floats, without_background

SMALL_PX = 8
"""Side of the square of pixels that one pixel of the thumbnail stands for."""

_DIFFERENT = 8
"""Grey levels that compression and scaling change in no pixel of a thumbnail but for a few."""

_MOST_DIFFERENT = 0.1
"""Share of the pixels that may differ in the same picture: a car, a cursor."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Thumbnail:
    """One picture at an eighth of its size."""

    grey: NDArray[np.uint8]
    """Brightness, shape (height, width), at least 1 x 1."""
    hidden: NDArray[np.bool_] | None
    """Where masks hide the map, of the same shape; `None` where nothing is hidden."""
    size: Size
    """Of the picture."""


def thumbnail(pixels: Pixels, masks: Sequence[Rect] = ()) -> Thumbnail:
    """Return a picture's thumbnail.

    Args:
        pixels: RGB, shape (height, width, 3).
        masks: Rectangles of the head-up display, in pixels of the picture; they may reach beyond it.
    """
    height, width = pixels.shape[:2]
    rows, columns = max(1, height // SMALL_PX), max(1, width // SMALL_PX)
    whole = pixels[: max(1, rows * SMALL_PX), : max(1, columns * SMALL_PX)]
    small = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)
    hidden = None
    if masks:
        hidden = np.zeros((rows, columns), np.bool_)
        for mask in masks:
            top, left = max(0, mask.y_px // SMALL_PX), max(0, mask.x_px // SMALL_PX)
            hidden[top : max(0, -(-mask.bottom_px // SMALL_PX)), left : max(0, -(-mask.right_px // SMALL_PX))] = True
    return Thumbnail(
        grey=cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False),
        hidden=hidden,
        size=Size(width_px=width, height_px=height),
    )


def relief(picture: Thumbnail) -> Floats:
    """Return a thumbnail without its background, 0 where hidden."""
    shown = None if picture.hidden is None else (~picture.hidden).astype(np.float32)
    return without_background(picture.grey.astype(np.float32), shown)


def show_the_same(first: Thumbnail, second: Thumbnail) -> bool:
    """Whether two pictures are one but for compression: of one size, and equally bright all over.

    A panel that stands in both over different places is not enough.
    """
    if first.size != second.size:
        return False
    differs = cv2.absdiff(first.grey, second.grey) > _DIFFERENT
    if first.hidden is not None:
        differs = differs[~first.hidden]
    return differs.size > 0 and float(np.mean(differs)) <= _MOST_DIFFERENT
