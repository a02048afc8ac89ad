"""How map tiles become bytes, by their level above the native one, and the words that name those settings."""

from io import BytesIO

import numpy as np
from PIL import Image

from imageflow_domain.survey import Encoding
from imageflow_mosaic.codec import Pixels, check_pixels, decode_tile, encode_webp, is_opaque

LOSSLESS_LEVELS = 2
"""Native tiles and their parents keep every pixel; above, averaging has made truecolour, which lossless bloats."""

_LOSSLESS_EFFORT = {0: 20, 1: 20, 2: 40, 3: 60, 4: 80}
"""WebP 'quality' of a lossless picture is effort. Measured on 512 px of pixel art: 5 ms at (0, 20), 15 at (4, 80)."""

_STEP = 3
"""Colours of lossy surveys' tiles are multiples of it: at most 1 grey level off, and 0 and 255 are kept.

It leaves 72 to 77 percent of the bytes, at 50 dB to the pixels that were composed. Lossy WebP of quality 95 leaves a
third, but halves the colours' resolution: pixel art from JPEG 95 with full chroma falls from 37.5 to 26.5 dB, and
again at each re-encoding.
"""

_TO_STEP = ((np.arange(256) + _STEP // 2) // _STEP * _STEP).astype(np.uint8)

_NOISY_METHOD, _NOISY_EFFORT = 0, 20
"""Noise hardly packs: method 4 with effort 80 takes 14 times as long, for 7 to 18 percent fewer bytes."""

_LOSSY_METHOD = 4

_PIXEL_RULES = 1
"""Raise it when composition, averaging or encoding give other bytes for the same shots: tiles are then made again."""


def signature(level_above_native: int, encoding: Encoding, *, lossy: bool = False) -> str:
    """Return the words that name how a tile of this level is encoded; part of the tile's digest.

    Args:
        lossy: Whether the survey's screenshots carry noise, as those of JPEG or a scaled desktop do.
    """
    if level_above_native >= LOSSLESS_LEVELS:
        return f"webp lossy method {_LOSSY_METHOD} quality {encoding.lossy_quality}"
    if lossy:
        return f"webp lossless method {_NOISY_METHOD} effort {_NOISY_EFFORT} of colours in steps of {_STEP}"
    method = encoding.lossless_method
    return f"webp lossless method {method} effort {_LOSSLESS_EFFORT[method]}"


def revision_signature(encoding: Encoding, *, lossy: bool = False) -> str:
    """Return the words that name how all tiles of a survey are made; part of the survey's revision."""
    levels = (signature(0, encoding, lossy=lossy), signature(LOSSLESS_LEVELS, encoding))
    return f"pixel rules {_PIXEL_RULES}; {'; '.join(levels)}"


def kept_pixels(pixels: Pixels, level_above_native: int, *, lossy: bool = False) -> Pixels:
    """Return the pixels that a tile of this level keeps, before they are encoded; what is kept once stays as it is.

    In a lossy survey the native level and its parent keep colours in steps; alpha, and every other tile, is kept as it
    is. Parents are averaged from these pixels: they are then the same whether a child was just composed or was read.

    Args:
        pixels: RGB or RGBA, shape (height, width, 3 or 4).
        level_above_native: 0 for tiles that show game pixels, 1 for their parents, and so on.
        lossy: As of `signature`.
    """
    if not lossy or level_above_native >= LOSSLESS_LEVELS:
        return pixels
    kept = pixels.copy()
    kept[..., :3] = _TO_STEP[pixels[..., :3]]
    return kept


def encode_tile(pixels: Pixels, level_above_native: int, encoding: Encoding, *, lossy: bool = False) -> bytes:
    """Return a tile as WebP, as `encoding` wants it for its level.

    Args:
        pixels: RGB or RGBA, shape (height, width, 3 or 4). A tile without any transparency gets no alpha channel.
        level_above_native: 0 for tiles that show game pixels, 1 for their parents, and so on.
        lossy: As of `signature`. `encoding.lossless_method` is then not asked: noise does not pay for it.
    """
    check_pixels(pixels, channels=(3, 4))
    if level_above_native >= LOSSLESS_LEVELS:
        return encode_webp(pixels, lossless=False, method=_LOSSY_METHOD, quality=encoding.lossy_quality)
    if lossy:
        kept = kept_pixels(pixels, level_above_native, lossy=True)
        return encode_webp(kept, lossless=True, method=_NOISY_METHOD, quality=_NOISY_EFFORT)
    method = encoding.lossless_method
    return encode_webp(pixels, lossless=True, method=method, quality=_LOSSLESS_EFFORT[method])


def encode_top(pixels: Pixels) -> bytes:
    """Return the top of a square as lossless WebP, written fast: overviews are averaged from it, never from a tile."""
    check_pixels(pixels, channels=(4,))
    return encode_webp(pixels, lossless=True, method=0, quality=20)


def to_png(data: bytes) -> bytes:
    """Return a stored tile as PNG, pixel for pixel; raise `InvalidInput` for bytes that are no picture."""
    pixels = decode_tile(data)
    return encode_png(pixels[..., :3] if is_opaque(pixels) else pixels)


def encode_png(pixels: Pixels) -> bytes:
    """Return RGB or RGBA pixels, shape (height, width, 3 or 4), as PNG."""
    check_pixels(pixels, channels=(3, 4))
    out = BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=6)
    return out.getvalue()
