"""What is kept of a screenshot so that it can be registered by content: its brightness, and a small relief of it.

Pixels that were compressed with loss or scaled repeat nowhere exactly, but brightness and edges do nearly. How two
pictures are compared is the business of `correlation` and `subwindows`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imageflow_domain.geometry import Offset, Rect
from imageflow_mosaic.codec import Pixels

COARSE_PX = 4
"""Side of the square of pixels that one pixel of the relief stands for."""

_BACKGROUND = 2.0
"""Standard deviation, in pixels of the relief, of the blur that is subtracted: larger structures identify no place."""

Floats = NDArray[np.floating]
"""Single precision."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Content:
    """One screenshot, ready to be registered by content."""

    grey: NDArray[np.uint8]
    """Brightness, shape (height, width)."""
    relief: Floats
    """Brightness at a quarter of the size, without its background; 0 where hidden."""
    shown: Floats | None
    """As large as the relief: 1 where nothing is hidden, else 0; `None` where nothing is hidden at all."""
    hidden: tuple[Rect, ...]
    """Rectangles that show no map, in pixels of the picture."""

    @property
    def rect(self) -> Rect:
        """All of the picture, in its own pixels."""
        height, width = self.grey.shape
        return Rect(x_px=0, y_px=0, width_px=width, height_px=height)


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairing:
    """Two pictures that may overlap."""

    reference: Content
    moving: Content
    expected: Offset
    """Where `moving`'s top left corner is believed to lie, in pixels of `reference`."""


def content_of(pixels: Pixels, hidden: Sequence[Rect] = ()) -> Content:
    """Return what is compared of a screenshot.

    Args:
        pixels: RGB, shape (height, width, 3).
        hidden: Rectangles inside the picture that show no map.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
    height, width = (max(1, side // COARSE_PX) for side in grey.shape)
    whole = grey[: height * COARSE_PX, : width * COARSE_PX]
    small = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    shown = None
    if hidden:
        shown = np.ones_like(small)
        for part in hidden:
            rows = slice(part.y_px // COARSE_PX, -(-part.bottom_px // COARSE_PX))
            shown[rows, part.x_px // COARSE_PX : -(-part.right_px // COARSE_PX)] = 0
    return Content(grey=grey, relief=without_background(small, shown), shown=shown, hidden=tuple(hidden))


def without_background(small: Floats, shown: Floats | None) -> Floats:
    """Return a small picture without structures larger than a few pixels, which do not identify a place.

    Args:
        shown: 1 where nothing is hidden, else 0; the relief is 0 there.
    """
    if shown is None:
        return small - _blurred(small)
    return (small - _blurred(small * shown) / np.maximum(_blurred(shown), 1e-3)) * shown


def _blurred(picture: Floats) -> Floats:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), _BACKGROUND), np.float32)
