"""What is kept of a screenshot so that its neighbours can be registered with it: pixels and a sample of its patches.

How patches of two screenshots are compared is `registration`'s business.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from imageflow_domain.geometry import Rect
from imageflow_mosaic.codec import Pixels, check_pixels, packed
from imageflow_mosaic.content import Content, content_of

PATCH_PX = 4
"""Side of a patch."""

COARSE = 64
FINE = 4
"""One in so many patches is sampled: enough for land, and enough for a shore in open water."""

_COLOUR_BITS = 12
COLOURS = 1 << _COLOUR_BITS
"""Colours that are distinguished."""

MOST_IN_PALETTE = 256
"""A picture of at most so many colours has a palette and lost nothing: compression and scaling make thousands.

This does not hold for grey pictures: there are only 256 shades of grey, with or without loss.
"""

_COUNTED_ROWS = 4
"""One in so many rows is looked at to count colours."""

_BAND_ROWS = 64
"""Rows that are hashed at once: the intermediate numbers stay in the processor's cache."""

_ALONG = np.uint32(0x9E3779B1)
_DOWN = np.uint32(0x85EBCA6B)
_SPREAD = np.uint32(0xC2B2AE35)
"""Odd numbers without structure: the golden ratio's, and two of MurmurHash3's."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Patches:
    """Sampled patches by their top left pixel, row by row."""

    x_px: NDArray[np.int32]
    y_px: NDArray[np.int32]
    hashes: NDArray[np.uint32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Fingerprint:
    """One screenshot, ready to be registered."""

    pixels: Pixels
    """RGB, shape (height, width, 3): the array that was given, not a copy."""
    masks: tuple[Rect, ...]
    """What belongs to the head-up display, clipped to the picture."""
    overlays: Callable[[], Sequence[Rect]]
    """Returns what else stands still while the map moves: hidden, and computed, only where content is compared."""
    coarse: Patches
    """One in `COARSE` of all patches outside the masks."""

    @property
    def width_px(self) -> int:
        """Of all of the picture, masks included."""
        return int(self.pixels.shape[1])

    @property
    def height_px(self) -> int:
        """Of all of the picture, masks included."""
        return int(self.pixels.shape[0])

    @property
    def rect(self) -> Rect:
        """All of the picture, in its own pixels."""
        return Rect(x_px=0, y_px=0, width_px=self.width_px, height_px=self.height_px)

    @cached_property
    def content(self) -> Content:
        """What is compared where pixels differ slightly everywhere; computed at first use."""
        return content_of(self.pixels, (*self.masks, *_clipped(self.overlays(), self.rect)))

    @cached_property
    def has_palette(self) -> bool:
        """Whether the picture shows colours, and at most as many as a palette holds."""
        rows = np.ascontiguousarray(self.pixels[::_COUNTED_ROWS])
        if (rows == rows[..., :1]).all():
            return False
        counts = np.bincount(colour_numbers(_numbers(rows)).ravel(), minlength=COLOURS)
        return bool(np.count_nonzero(counts) <= MOST_IN_PALETTE)

    def numbers(self, part: Rect) -> NDArray[np.uint32]:
        """Return one number for each pixel of a part that lies inside the picture, shape (height, width)."""
        return _numbers(self.pixels[part.y_px : part.bottom_px, part.x_px : part.right_px])

    def sample(self, window: Rect, *, one_in: int) -> Patches:
        """Return one in `one_in` of the patches that lie inside `window` and touch no mask.

        A patch is chosen by the hash of its own top row, so two pictures of one place choose the same patches. Rows of
        one colour are never chosen: where there is nothing to see there is nothing to compare.

        Args:
            window: Inside the picture.
        """
        return _sample(self.pixels, self.masks, window, one_in)


def fingerprint(
    pixels: Pixels, masks: Sequence[Rect] = (), overlays: Callable[[], Sequence[Rect]] = tuple
) -> Fingerprint:
    """Return the fingerprint of a screenshot.

    Args:
        pixels: RGB, shape (height, width, 3). Kept as it is: it must not change any more.
        masks: Rectangles of the head-up display, in pixels of the picture; they may reach beyond it.
        overlays: Returns rectangles of what else stands still while the map moves; they may reach beyond the picture.

    Raises:
        InvalidInput: For pixels of another shape or type.
    """
    check_pixels(pixels, channels=(3,))
    height, width = pixels.shape[:2]
    whole = Rect(x_px=0, y_px=0, width_px=width, height_px=height)
    hidden = _clipped(masks, whole)
    return Fingerprint(pixels=pixels, masks=hidden, overlays=overlays, coarse=_sample(pixels, hidden, whole, COARSE))


def _clipped(rects: Sequence[Rect], whole: Rect) -> tuple[Rect, ...]:
    return tuple(part for part in (rect.intersection(whole) for rect in rects) if part is not None)


def colour_numbers(numbers: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return a number below `COLOURS` for each pixel; equal colours have equal numbers, few others share them."""
    return numbers * _ALONG >> np.uint32(32 - _COLOUR_BITS)


def _numbers(pixels: Pixels) -> NDArray[np.uint32]:
    return packed(cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA).astype(np.uint8, copy=False))


def _sample(pixels: Pixels, masks: Sequence[Rect], window: Rect, one_in: int) -> Patches:
    rows = range(window.y_px, window.bottom_px - PATCH_PX + 1, _BAND_ROWS)
    if window.width_px < PATCH_PX or len(rows) == 0:
        nothing = np.zeros(0, np.int32)
        return Patches(x_px=nothing, y_px=nothing, hashes=nothing.astype(np.uint32))
    limit = np.uint32(2**32 // one_in)
    found = [_sample_band(pixels, window, top, limit) for top in rows]
    y, x, hashes = (np.concatenate(part) for part in zip(*found, strict=True))
    for mask in masks:
        free = (x <= mask.x_px - PATCH_PX) | (x >= mask.right_px) | (y <= mask.y_px - PATCH_PX) | (y >= mask.bottom_px)
        y, x, hashes = y[free], x[free], hashes[free]
    return Patches(x_px=x, y_px=y, hashes=hashes)


def _sample_band(
    pixels: Pixels, window: Rect, top: int, limit: np.uint32
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint32]]:
    bottom = min(top + _BAND_ROWS + PATCH_PX - 1, window.bottom_px)
    band = _numbers(pixels[top:bottom, window.x_px : window.right_px])
    along = band[:, 1:] - band[:, :-1]  # all zero in a row of one colour
    along *= _ALONG
    pairs = along[:, :-1] ^ (along[:, 1:] >> np.uint32(15))
    along = pairs[:, :-1] * _SPREAD
    along += pairs[:, 1:]
    along *= _DOWN
    columns = along.shape[1]
    flat = along.ravel()
    chosen = np.flatnonzero(along[: bottom - top - PATCH_PX + 1].ravel() - np.uint32(1) < limit)
    y, x = np.divmod(chosen.astype(np.int32), np.int32(columns))
    hashes = flat[chosen]
    for row in range(1, PATCH_PX):
        hashes = (hashes ^ hashes >> np.uint32(15)) * _SPREAD + flat[chosen + row * columns]
    hashes ^= band[y, x] * _ALONG
    return y + np.int32(top), x + np.int32(window.x_px), hashes
