"""Bytes of one picture file to RGB pixels, without loss or not at all."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from imageflow_domain.errors import InvalidInput

MAX_PIXELS = 64_000_000
"""An 8K screen has 33 million."""

MAX_BYTES = 256 * 1024 * 1024
MAX_SIDE_PX = 16_383
"""WebP, in which screenshots are stored, holds no wider or higher picture."""

_FORMATS = ("PNG", "WEBP", "BMP", "JPEG")
_LOSSLESS_MODES = frozenset({"RGB", "RGBA", "L", "LA", "P", "PA", "1"})
_PNG_BIT_DEPTH = 24
"""Position of the bit depth in a PNG file: Pillow reduces 16-bit colour to 8 bits without a word."""


class BadPicture(InvalidInput):
    """One picture cannot be used; the message is the bare reason, for a list of files."""


@contextmanager
def pillow_limits() -> Iterator[None]:
    """Make Pillow's warning of an oversized picture an error; enter it before threads decode."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def decode_rgb(data: bytes) -> NDArray[np.uint8]:
    """Return the picture as RGB, uint8, shape (height, width, 3), C-contiguous.

    Grey, palette, 1-bit and opaque-alpha pictures are converted without loss. Raises `BadPicture` for everything
    else; limits are read from the header, before anything is decoded.
    """
    if not data:
        raise BadPicture("is empty (0 bytes)")
    _check_chunks(data)
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            _check_header(image, data)
            image.load()
            return np.array(_opaque_rgb(image), dtype=np.uint8, order="C")
    except UnidentifiedImageError as error:
        raise BadPicture("is not a picture in PNG, WebP, BMP or JPEG format") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadPicture(f"has more than {MAX_PIXELS:,} pixels") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise BadPicture(f"is damaged or cut short ({error})") from error


def _check_chunks(data: bytes) -> None:
    # Pillow's decoder stops at the last pixel and misses a damaged or missing end.
    if not data.startswith(b"\x89PNG"):
        return
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            _check_header(image, data)
            image.verify()
    except UnidentifiedImageError as error:
        raise BadPicture("is a damaged or cut short PNG picture") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadPicture(f"has more than {MAX_PIXELS:,} pixels") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise BadPicture(f"is damaged or cut short ({error})") from error


def _check_header(image: Image.Image, data: bytes) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BadPicture(f"has {width}x{height} pixels; more than {MAX_PIXELS:,} are refused")
    if max(width, height) > MAX_SIDE_PX:
        raise BadPicture(f"is {width}x{height} px; WebP holds {MAX_SIDE_PX:,} px a side at most")
    if getattr(image, "n_frames", 1) > 1:
        raise BadPicture("holds an animation, not one picture")
    if image.format == "PNG" and data[_PNG_BIT_DEPTH] == 16:
        raise BadPicture("has 16 bits a channel; 8 are needed")
    if image.mode not in _LOSSLESS_MODES:
        raise BadPicture(f"has colours of mode {image.mode}; 8-bit RGB, grey or palette is needed")


def _opaque_rgb(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        lowest, _ = with_alpha.getchannel("A").getextrema()
        if lowest != 255:
            raise BadPicture("is transparent in places; every pixel must be opaque")
        return with_alpha.convert("RGB")
    return image.convert("RGB")
