"""How map tiles become bytes, by their level above the native one, and the words that name those settings."""

from io import BytesIO

from PIL import Image

from imageflow_domain.survey import Encoding
from imageflow_mosaic.codec import Pixels, check_pixels, decode_tile, encode_webp, is_opaque

LOSSLESS_LEVELS = 2
"""Native tiles and their parents keep every pixel; above, averaging has made truecolour, which lossless bloats."""

_LOSSLESS_EFFORT = {0: 20, 1: 20, 2: 40, 3: 60, 4: 80}
"""WebP 'quality' of a lossless picture is effort. Measured on 512 px of pixel art: 5 ms at (0, 20), 15 at (4, 80)."""

_LOSSY_METHOD = 4

_PIXEL_RULES = 1
"""Raise it when composition, averaging or encoding give other bytes for the same shots: tiles are then made again."""


def signature(level_above_native: int, encoding: Encoding) -> str:
    """Return the words that name how a tile of this level is encoded; part of the tile's digest."""
    if level_above_native < LOSSLESS_LEVELS:
        method = encoding.lossless_method
        return f"webp lossless method {method} effort {_LOSSLESS_EFFORT[method]}"
    return f"webp lossy method {_LOSSY_METHOD} quality {encoding.lossy_quality}"


def revision_signature(encoding: Encoding) -> str:
    """Return the words that name how all tiles of a survey are made; part of the survey's revision."""
    levels = (signature(0, encoding), signature(LOSSLESS_LEVELS, encoding))
    return f"pixel rules {_PIXEL_RULES}; {'; '.join(levels)}"


def encode_tile(pixels: Pixels, level_above_native: int, encoding: Encoding) -> bytes:
    """Return a tile as WebP, as `encoding` wants it for its level.

    Args:
        pixels: RGB or RGBA, shape (height, width, 3 or 4). A tile without any transparency gets no alpha channel.
        level_above_native: 0 for tiles that show game pixels, 1 for their parents, and so on.
    """
    check_pixels(pixels, channels=(3, 4))
    if level_above_native < LOSSLESS_LEVELS:
        method = encoding.lossless_method
        return encode_webp(pixels, lossless=True, method=method, quality=_LOSSLESS_EFFORT[method])
    return encode_webp(pixels, lossless=False, method=_LOSSY_METHOD, quality=encoding.lossy_quality)


def encode_top(pixels: Pixels) -> bytes:
    """Return the top of a square as lossless WebP, written fast: overviews are averaged from it, never from a tile."""
    check_pixels(pixels, channels=(4,))
    return encode_webp(pixels, lossless=True, method=0, quality=20)


def to_png(data: bytes) -> bytes:
    """Return a stored tile as PNG, pixel for pixel; raise `InvalidInput` for bytes that are no picture."""
    pixels = decode_tile(data)
    out = BytesIO()
    Image.fromarray(pixels[..., :3] if is_opaque(pixels) else pixels).save(out, "PNG", compress_level=6)
    return out.getvalue()
