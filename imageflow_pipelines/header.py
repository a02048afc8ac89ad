"""The headers of encoded pictures: what kind and how large, before anything is unpacked."""

import struct
from io import BytesIO

from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from imageflow_domain.errors import InvalidInput

BROKEN = (OSError, SyntaxError, ValueError, EOFError, OverflowError, MemoryError, IndexError, TypeError, struct.error)
"""What Pillow raises for bytes that are no picture, or not a whole one."""


def read_header(data: bytes) -> ImageFile:
    """Return Pillow's picture with nothing but its header read: format, size, mode. A context manager.

    Raises `InvalidInput` for anything but a JPEG, PNG, WebP or BMP picture.
    """
    # Not `Image.open`: it warns on standard error of sizes that we refuse, and takes some phones' JPEG for animated.
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return JpegImageFile(BytesIO(data))
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return PngImageFile(BytesIO(data))
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return WebPImageFile(BytesIO(data))
        if data.startswith(b"BM"):
            return BmpImageFile(BytesIO(data))
    except BROKEN as error:
        raise InvalidInput(f"The picture's header is damaged ({error}): take or upload it again.") from error
    raise InvalidInput("The bytes are no JPEG, PNG, WebP or BMP picture: take or upload it again.")
