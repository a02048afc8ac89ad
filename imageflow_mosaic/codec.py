"""Pictures as bytes, without loss: screenshots into the store, and any stored picture back into pixels.

How map tiles are encoded, level by level, is `encoding`'s business.
"""

from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imageflow_domain.errors import InvalidInput

Pixels = NDArray[np.uint8]

MAX_PIXELS = 80_000_000
"""Larger pictures are refused unread: twice an 8K screen, and below the size at which Pillow warns of a bomb."""

_FORMATS = ("PNG", "WEBP", "JPEG", "BMP")
"""Read at all; Pillow's many other readers are left out of reach of uploads."""

_EXACT_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"})
"""Pillow's modes with at most eight bits a channel that become RGBA without loss."""

_BROKEN = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError, Image.DecompressionBombWarning)
"""What Pillow raises for bytes that are no picture, or not a whole one."""


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
    """Return a stored opaque picture (WebP, PNG, JPEG, BMP) as RGB, shape (height, width, 3).

    Grey, palette and opaque-alpha pictures are converted without loss. Raises `InvalidInput` for bytes that are no
    whole picture, are larger than `MAX_PIXELS`, have more than eight bits a channel, or are transparent anywhere.
    """
    pixels = _decode(data)
    if pixels.shape[2] == 3:
        return pixels
    if not is_opaque(pixels):
        raise InvalidInput("The picture is transparent in places: give opaque pictures.")
    return cv2.cvtColor(pixels, cv2.COLOR_RGBA2RGB).astype(np.uint8, copy=False)


def decode_tile(data: bytes) -> Pixels:
    """Return a stored tile as RGBA, shape (height, width, 4); alpha is 0 where the map is not covered.

    Raises `InvalidInput` as `decode_picture` does, but takes transparency.
    """
    pixels = _decode(data)
    if pixels.shape[2] == 4:
        return pixels
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA).astype(np.uint8, copy=False)


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


def _decode(data: bytes) -> Pixels:
    """Return RGB or RGBA pixels, whichever the picture has."""
    webp_size = _plain_webp_size(data)
    if webp_size is None:
        return _decode_with_pillow(data)
    _check_size(*webp_size)
    # OpenCV reads WebP straight into the array, in two fifths of Pillow's time.
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise InvalidInput("The WebP picture is damaged or cut short: take or upload it again.")
    code = cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    return cv2.cvtColor(pixels, code, dst=pixels).astype(np.uint8, copy=False)


def _plain_webp_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a still WebP, read from its header; `None` for anything else.

    Header layouts: RFC 9649, sections 2.5 to 2.7.
    """
    if len(data) < 30 or data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    chunk = data[12:16]
    if chunk == b"VP8L" and data[20] == 0x2F:
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8X" and not data[20] & 0x02:  # 0x02: animated
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if chunk == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = int.from_bytes(data[26:28], "little"), int.from_bytes(data[28:30], "little")
        return width & 0x3FFF, height & 0x3FFF
    return None


def _decode_with_pillow(data: bytes) -> Pixels:
    try:
        with Image.open(BytesIO(data), formats=_FORMATS) as image:
            _check_size(*image.size)
            if image.mode not in _EXACT_MODES:
                raise InvalidInput(f"Pictures of Pillow's mode {image.mode} lose by conversion: give 8-bit ones.")
            return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    except _BROKEN as error:
        raise InvalidInput(f"The bytes are no whole picture ({error}): take or upload it again.") from error


def _check_size(width_px: int, height_px: int) -> None:
    if width_px * height_px > MAX_PIXELS:
        raise InvalidInput(
            f"The picture is {width_px} x {height_px} px, more than {MAX_PIXELS:,} in all: cut it into smaller ones."
        )
