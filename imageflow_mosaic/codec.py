"""Pictures as bytes, without loss: screenshots into the store, and any stored picture back into pixels.

How map tiles are encoded, level by level, is `encoding`'s business; what an image is, `imageflow_images.intake`'s.
"""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imageflow_domain.errors import InvalidInput
from imageflow_images.intake import IntakeRules, decode_rgb, decode_rgba

Pixels = NDArray[np.uint8]

MAX_PIXELS = 80_000_000
"""Larger pictures are refused unread: twice an 8K screen, and below the size at which Pillow warns of a bomb."""

_RULES = IntakeRules(most_px=MAX_PIXELS)


def encode_screenshot(pixels: Pixels) -> bytes:
    """Return a screenshot as lossless WebP, written fast rather than small.

    Args:
        pixels: RGB, shape (height, width, 3), each side 1 to 16,383.

    Method 0 is a fifth faster to write and to read than PNG, and a fifth smaller.
    """
    check_pixels(pixels, channels=(3,))
    return encode_webp(pixels, lossless=True, method=0, quality=20)


def encode_webp(pixels: Pixels, *, lossless: bool, method: int, quality: int) -> bytes:
    """Return RGB or RGBA pixels, shape (height, width, 3 or 4), as WebP.

    Args:
        quality: Of a lossy picture its fidelity, of a lossless one the effort; 0 to 100.

    Lossless keeps every channel, the colour under full transparency included.
    """
    # frombuffer over four contiguous channels is the one way in that copies nothing.
    mode = "RGBA" if pixels.shape[2] == 4 else "RGB"
    size = (pixels.shape[1], pixels.shape[0])
    image = Image.frombuffer(mode, size, np.ascontiguousarray(pixels), "raw", mode, 0, 1)
    out = BytesIO()
    image.save(out, "WEBP", lossless=lossless, method=method, quality=quality, exact=lossless)
    return out.getvalue()


def decode_picture(data: bytes) -> Pixels:
    """Return a stored opaque picture as RGB, shape (height, width, 3).

    Raises `UnusableImage` as `imageflow_images.intake.decode_rgb` does, for more than `MAX_PIXELS` too.
    """
    return decode_rgb(data, _RULES)


def decode_tile(data: bytes) -> Pixels:
    """Return a stored tile as RGBA, shape (height, width, 4); alpha is 0 where the map is not covered.

    Raises `UnusableImage` as `decode_picture` does, but takes transparency.
    """
    return decode_rgba(data, _RULES)


def is_opaque(rgba: Pixels) -> bool:
    """Whether every pixel of RGBA, shape (height, width, 4), has full alpha."""
    return bool((packed(rgba) >= np.uint32(0xFF000000)).all())


def packed(rgba: Pixels) -> NDArray[np.uint32]:
    """Return RGBA, shape (height, width, 4), seen as one number a pixel, shape (height, width), alpha highest."""
    return rgba.view("<u4")[..., 0]


def check_pixels(pixels: Pixels, *, channels: tuple[int, ...]) -> None:
    """Raise `InvalidInput` unless `pixels` is 8-bit, of shape (height, width, one of `channels`), and not empty."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in channels or 0 in pixels.shape:
        raise InvalidInput(
            f"Pixels of shape {pixels.shape} and type {pixels.dtype}: give 8-bit ones of shape "
            f"(height, width, {' or '.join(map(str, channels))})."
        )
